"""Collecting what a page writes, so that it costs little and leaves in few pieces.

Text and values that a page writes are kept in a list and given to ``req.write`` together, before
anything is done that might itself write: so everything leaves in the order in which it was written,
whoever wrote it. What can't write is known: names, constants, arithmetic, and str() of plain values.
Functions and ``with`` blocks in pages call ``req.write`` at once, for others run between their lines.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator

from mpserver.typing import Any

#: Names of a page's helpers, see `Collected`.
TEXT, VALUE, FLUSH, EACH = "__psp_text__", "__psp_value__", "__psp_flush__", "__psp_each__"
#: Values whose str() runs no code of an application.
PLAIN = frozenset({str, int, float, bool, type(None)})
#: Going through these runs no code of an application.
QUIET = frozenset({range, list, tuple, dict, set, frozenset, str, bytes})
#: What a loop writes is passed on after so many turns at the latest.
TURNS = 512

#: Expressions that write nothing themselves; what is in them is looked at as well. (% may call str().)
HARMLESS = (
    ast.Constant, ast.Name, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.BoolOp, ast.BinOp, ast.UnaryOp,
    ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.boolop, ast.operator, ast.unaryop, ast.cmpop,
    ast.expr_context,
)  # fmt: skip
#: Statements that do nothing but hold expressions.
SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.Pass, ast.Break, ast.Continue, ast.Global)


class Collected:
    """What one run of a page has written and not passed on yet; the page's code calls its methods."""

    __slots__ = ("_append", "_parts", "_scope")

    def __init__(self, scope: dict[str, Any]) -> None:
        """``scope`` are the page's global variables, where its code finds the methods."""
        self._scope = scope
        self._parts: list[str] = []
        self._append = scope[TEXT] = self._parts.append
        scope[VALUE] = self._value
        scope[FLUSH] = self._flush
        scope[EACH] = self._each

    def end(self) -> None:
        """Pass on what still waits; to be called at the end of the run."""
        try:
            self._flush()
        finally:
            # It knows us: without this, only the garbage collector would free both and the request.
            self._scope = {}

    def _flush(self) -> None:
        parts = self._parts
        if parts:
            text = "".join(parts)
            parts.clear()
            self._scope["req"].write(text, 0)

    def _value(self, convert: Callable[[Any], Any], found: Any, after: str) -> None:
        if convert is str and type(found) in PLAIN:
            self._append(f"{found!s}{after}")
            return
        self._flush()
        text = convert(found)
        if type(text) is str:
            self._append(text)
        else:
            self._scope["req"].write(text, 0)
        self._append(after)

    def _each(self, values: Iterable[Any]) -> Iterable[Any]:
        kind = type(values)
        if kind in QUIET and len(values) <= TURNS:  # type: ignore[arg-type]
            return values
        return self._turns(values, 1 if kind not in QUIET else TURNS)

    def _turns(self, values: Iterable[Any], most: int) -> Iterator[Any]:
        iterator = iter(values)
        left = most
        while True:
            left -= 1
            if not left:
                self._flush()
                left = most
            try:
                found = next(iterator)
            except StopIteration:
                return
            yield found


def collect(tree: ast.Module, writes: Collection[ast.AST]) -> None:
    """Rewrite a page's generated calls of ``req.write``, and guard everything that may write itself."""
    tree.body = _block(tree.body, writes)
    ast.fix_missing_locations(tree)


def _block(body: list[ast.stmt], writes: Collection[ast.AST]) -> list[ast.stmt]:
    out: list[ast.stmt] = []
    for statement in body:
        if statement in writes:
            for made in _write(statement):
                if not (out and _joined(out[-1], made)):
                    out.append(made)
            continue
        guard = _GUARDS.get(type(statement), _other)
        if guard(statement, writes):
            out.append(_flush(statement))
        out.append(statement)
    return out


# ---- what is written


def _write(statement: ast.stmt) -> list[ast.stmt]:
    """The collecting form of ``req.write(...,0)``."""
    match statement:
        case ast.Expr(value=ast.Call(args=[ast.Constant(value=str(text)), ast.Constant(value=0)], keywords=[])):
            return [_call(statement, TEXT, ast.Constant(text))] if text else [_at(statement, ast.Pass())]
        case ast.Expr(
            value=ast.Call(
                args=[
                    ast.Call(func=ast.Name("str"), args=[inner], keywords=[]) as call,
                    ast.Constant(value=0),
                ],
                keywords=[],
            )
        ) if not isinstance(inner, ast.Starred):
            made = _call(statement, VALUE, call.func, inner, ast.Constant(""))
            return [made] if _harmless(inner) else [_flush(statement), made]
    return [_flush(statement), statement]


def _joined(last: ast.stmt, made: ast.stmt) -> bool:
    """Let the call that writes a value write the text behind it, too."""
    match last, made:
        case (
            ast.Expr(value=ast.Call(func=ast.Name(id="__psp_value__"), args=[_, _, ast.Constant(value="") as after])),
            ast.Expr(value=ast.Call(func=ast.Name(id="__psp_text__"), args=[ast.Constant(value=text)])),
        ):
            after.value = text
            return True
    return False


# ---- what may write itself: each says whether a flush must go before the statement


def _harmless(*nodes: ast.AST) -> bool:
    for root in nodes:
        for node in ast.walk(root):
            if not isinstance(node, HARMLESS) or isinstance(node, ast.Mod):
                return False
            if isinstance(node, (ast.Tuple, ast.List)) and not isinstance(node.ctx, ast.Load):
                return False  # unpacking goes through anything
            if isinstance(node, ast.Name) and node.id == "req" and not isinstance(node.ctx, ast.Load):
                return False  # what waits is for the former one
    return True


def _other(statement: ast.stmt, writes: Collection[ast.AST]) -> bool:
    if isinstance(statement, SIMPLE):
        return not all(_harmless(child) for child in ast.iter_child_nodes(statement))
    return True


def _if(statement: Any, writes: Collection[ast.AST]) -> bool:
    before = not _harmless(statement.test)
    statement.body = _block(statement.body, writes)
    statement.orelse = _block(statement.orelse, writes)
    return before


def _while(statement: Any, writes: Collection[ast.AST]) -> bool:
    statement.test = _flushed(statement.test)
    statement.body = _block(statement.body, writes)
    statement.orelse = _block(statement.orelse, writes)
    return False


def _for(statement: Any, writes: Collection[ast.AST]) -> bool:
    before = not _harmless(statement.iter) and not _is_range(statement.iter)
    statement.iter = _at(statement.iter, ast.Call(ast.Name(EACH, ast.Load()), [statement.iter], []))
    statement.body = _block(statement.body, writes)
    statement.orelse = _block(statement.orelse, writes)
    return before


def _is_range(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name("range"), args=args, keywords=[]):
            return _harmless(*args)
    return False


def _try(statement: Any, writes: Collection[ast.AST]) -> bool:
    statement.body = _block(statement.body, writes)
    for each in statement.handlers:
        each.body = _block(each.body, writes)
    statement.orelse = _block(statement.orelse, writes)
    statement.finalbody = _block(statement.finalbody, writes)
    return False


def _match(statement: Any, writes: Collection[ast.AST]) -> bool:
    before = not _harmless(statement.subject)
    for case in statement.cases:
        if case.guard is not None and not _harmless(case.guard):
            case.guard = _flushed(case.guard)
        case.body = _block(case.body, writes)
    return before


_GUARDS: dict[type[ast.stmt], Callable[[Any, Collection[ast.AST]], bool]] = {
    ast.If: _if,
    ast.While: _while,
    ast.For: _for,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.Match: _match,
}


# ---- making nodes


def _at(place: ast.AST, node: Any) -> Any:
    return ast.copy_location(node, place)


def _call(place: ast.stmt, name: str, *arguments: ast.expr) -> ast.stmt:
    call = _at(place, ast.Call(_at(place, ast.Name(name, ast.Load())), list(arguments), []))
    for argument in arguments:
        if not hasattr(argument, "lineno"):
            _at(place, argument)
    made: ast.stmt = _at(place, ast.Expr(call))
    return made


def _flush(place: ast.stmt) -> ast.stmt:
    return _call(place, FLUSH)


def _flushed(node: ast.expr) -> ast.expr:
    """The same expression after a flush (which gives None)."""
    flush = _at(node, ast.Call(_at(node, ast.Name(FLUSH, ast.Load())), [], []))
    made: ast.expr = _at(node, ast.BoolOp(ast.Or(), [flush, node]))
    return made
