"""What a page's statements and expressions can do without running code of an application, which might write.

An operator, a subscript, a comparison and a truth test call methods of the values that they are given, and
only those of builtin types are known. So what is found out here of a piece of code is which names it needs
to have values of such types; whether they do is seen when the page runs (`mod_python._psp.collect`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from enum import IntEnum

from mpserver.typing import Any


class Role(IntEnum):
    """What is done with a value, from least to most; the types that allow it become fewer."""

    LOOKED_AT = 0
    """It is passed on as it is."""
    TESTED = 1
    """Its truth is asked."""
    CONTAINER = 2
    """An element of it is taken, by a key or number."""
    OPERAND = 3
    """All that operators do."""


#: The names that must have values of harmless types, and for what; None: nothing helps, the code may write.
Needs = dict[str, Role] | None


class _MayWriteError(Exception):
    """The code may write whatever its names are."""


def needs(node: ast.AST, role: Role = Role.LOOKED_AT) -> Needs:
    """What a statement, or an expression whose value is used in a role, needs to write nothing itself."""
    found: dict[str, Role] = {}
    try:
        _look(node, role, found)
    except _MayWriteError:
        return None
    return found


def _look(node: ast.AST, role: Role, found: dict[str, Role]) -> None:
    look = _LOOKS.get(type(node))
    if look is None:
        raise _MayWriteError
    look(node, role, found)


def _constant(node: ast.Constant, role: Role, found: dict[str, Role]) -> None:
    """Constants are of builtin types."""


def _nothing(node: ast.stmt, role: Role, found: dict[str, Role]) -> None:
    """Statements that do nothing."""


def _name(node: ast.Name, role: Role, found: dict[str, Role]) -> None:
    if not isinstance(node.ctx, ast.Load):
        if node.id == "req":
            raise _MayWriteError  # what waits is for the former one
        role = Role.OPERAND  # what it was may go, and say so
    if role:
        found[node.id] = max(role, found.get(node.id, role))


def _display(node: ast.Tuple | ast.List, role: Role, found: dict[str, Role]) -> None:
    if not isinstance(node.ctx, ast.Load):
        raise _MayWriteError  # unpacking goes through anything
    for each in node.elts:
        _look(each, role if role == Role.OPERAND else Role.LOOKED_AT, found)


def _set(node: ast.Set, role: Role, found: dict[str, Role]) -> None:
    for each in node.elts:
        _look(each, Role.OPERAND, found)


def _dict(node: ast.Dict, role: Role, found: dict[str, Role]) -> None:
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            raise _MayWriteError  # ** goes through anything
        _look(key, Role.OPERAND, found)
        _look(value, role if role == Role.OPERAND else Role.LOOKED_AT, found)


def _bool(node: ast.BoolOp, role: Role, found: dict[str, Role]) -> None:
    for each in node.values:
        _look(each, max(role, Role.TESTED), found)


def _binary(node: ast.BinOp, role: Role, found: dict[str, Role]) -> None:
    _look(node.left, Role.OPERAND, found)
    _look(node.right, Role.OPERAND, found)


def _unary(node: ast.UnaryOp, role: Role, found: dict[str, Role]) -> None:
    _look(node.operand, Role.TESTED if isinstance(node.op, ast.Not) else Role.OPERAND, found)


def _compare(node: ast.Compare, role: Role, found: dict[str, Role]) -> None:
    by_identity = all(isinstance(op, ast.Is | ast.IsNot) for op in node.ops)
    for each in (node.left, *node.comparators):
        _look(each, Role.LOOKED_AT if by_identity else Role.OPERAND, found)


def _conditional(node: ast.IfExp, role: Role, found: dict[str, Role]) -> None:
    _look(node.test, Role.TESTED, found)
    _look(node.body, role, found)
    _look(node.orelse, role, found)


def _subscript(node: ast.Subscript, role: Role, found: dict[str, Role]) -> None:
    if not isinstance(node.ctx, ast.Load):
        raise _MayWriteError
    # of what is in a list nothing is known
    _look(node.value, Role.OPERAND if role else Role.CONTAINER, found)
    _look(node.slice, Role.OPERAND, found)


def _slice(node: ast.Slice, role: Role, found: dict[str, Role]) -> None:
    for each in (node.lower, node.upper, node.step):
        if each is not None:
            _look(each, Role.OPERAND, found)


def _expression(node: ast.Expr, role: Role, found: dict[str, Role]) -> None:
    _look(node.value, Role.LOOKED_AT, found)


def _assign(node: ast.Assign, role: Role, found: dict[str, Role]) -> None:
    for each in (*node.targets, node.value):
        _look(each, Role.LOOKED_AT, found)


def _augmented(node: ast.AugAssign, role: Role, found: dict[str, Role]) -> None:
    _look(node.target, Role.OPERAND, found)
    _look(node.value, Role.OPERAND, found)


_LOOKS: dict[type[ast.AST], Callable[[Any, Role, dict[str, Role]], None]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Tuple: _display,
    ast.List: _display,
    ast.Set: _set,
    ast.Dict: _dict,
    ast.BoolOp: _bool,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AugAssign: _augmented,
    ast.Pass: _nothing,
    ast.Break: _nothing,
    ast.Continue: _nothing,
    ast.Global: _nothing,
}
