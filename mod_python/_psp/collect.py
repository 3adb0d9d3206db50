"""Collecting what a page writes, so that it costs little and leaves in few pieces.

Text and values that a page writes are kept in a list and given to ``req.write`` together, before
anything is done that might itself write: so everything leaves in the order in which it was written,
whoever wrote it. What can't write is known: names, constants, str() of plain values, and operators,
subscripts and truth tests of builtin types (`mod_python._psp.harmless`), which the page asks of its
names where it has text waiting. Functions and ``with`` blocks in pages call ``req.write`` at once,
for others run between their lines.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator

from mod_python._psp.harmless import Needs, Role, needs
from mpserver.typing import Any

#: Names of a page's helpers, see `Collected`.
TEXT, VALUE, FLUSH, UNLESS = "__psp_text__", "__psp_value__", "__psp_flush__", "__psp_unless__"
EACH, EACH_PAIR, EACH_ALONE = "__psp_each__", "__psp_each_pair__", "__psp_each_alone__"
LOOPS = frozenset({EACH, EACH_PAIR, EACH_ALONE})
#: Values whose str() runs no code of an application, and that no operator gives to one.
PLAIN: frozenset[type] = frozenset({str, int, float, bool, type(None), bytes, complex})
#: An element of these is found without code of an application.
SEQUENCES = PLAIN | {list, tuple, range}
#: A dictionary of at most so many keys is one of them if these are plain (it compares them).
KEYS = 32
#: Going through these runs no code of an application.
QUIET: frozenset[type] = frozenset({range, list, tuple, dict, set, frozenset, str, bytes})
#: The types that a name may have, by what is done with it.
TYPES: dict[int, frozenset[type]] = {
    int(Role.OPERAND): PLAIN, int(Role.CONTAINER): SEQUENCES, int(Role.TESTED): PLAIN | QUIET,
}  # fmt: skip
#: What a loop writes is passed on after so many turns at the latest.
TURNS = 512


class Collected:
    """What one run of a page has written and not passed on yet; the page's code calls its methods."""

    __slots__ = ("_append", "_parts", "_scope")

    def __init__(self, scope: dict[str, Any], names: frozenset[str]) -> None:
        """``scope`` are the page's global variables, where its code, which has these names, finds the methods."""
        self._scope = scope
        self._parts: list[str] = []
        self._append = scope[TEXT] = self._parts.append
        scope[VALUE] = self._value
        if FLUSH in names:
            scope[FLUSH] = self._flush
        if UNLESS in names:
            scope[UNLESS] = self._flush_unless
        if not names.isdisjoint(LOOPS):
            scope[EACH] = self._each
            scope[EACH_PAIR] = self._each_pair
            scope[EACH_ALONE] = self._each_alone

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
            self._append(f"{found}{after}")
            return
        self._flush()
        text = convert(found)
        if type(text) is str:
            self._append(text)
        else:
            self._scope["req"].write(text, 0)
        self._append(after)

    def _flush_unless(self, *names: tuple[str, int]) -> None:
        """Pass on what waits, unless these names all have values that can't write in the roles that come."""
        if not self._parts:
            return
        scope = self._scope
        for name, role in names:
            # (a name that isn't there is an error, or a builtin)
            value = scope.get(name)
            if type(value) not in TYPES[role] and not (role == Role.CONTAINER and _is_plain_dict(value)):
                self._flush()
                return

    def _each(self, values: Iterable[Any]) -> Iterable[Any]:
        """The elements for a loop whose target is a name."""
        kind = type(values)
        if kind in QUIET and len(values) <= TURNS:  # type: ignore[arg-type]
            return values
        return self._turns(values, 1 if kind not in QUIET else TURNS)

    def _each_pair(self, values: Iterable[Any]) -> Iterator[Any]:
        """The elements for a loop that unpacks them into names."""
        for found in self._turns(values, 1 if type(values) not in QUIET else TURNS):
            if type(found) not in QUIET:
                self._flush()
            yield found

    def _each_alone(self, values: Iterable[Any]) -> Iterator[Any]:
        """The elements for a loop whose target may write: it finds nothing waiting."""
        for found in self._turns(values, 1):
            self._flush()
            yield found

    def _turns(self, values: Iterable[Any], most: int) -> Iterator[Any]:
        if most == 1:
            self._flush()
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


def _is_plain_dict(value: Any) -> bool:
    return type(value) is dict and len(value) <= KEYS and PLAIN.issuperset(map(type, value))


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
        out += _before(statement, guard(statement, writes))
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
            return [*_before(statement, needs(inner)), made]
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


# ---- what may write itself: each says what a statement needs to find nothing waiting, see `Needs`


def _other(statement: ast.stmt, writes: Collection[ast.AST]) -> Needs:
    return needs(statement)


def _if(statement: Any, writes: Collection[ast.AST]) -> Needs:
    found = needs(statement.test, Role.TESTED)
    statement.body = _block(statement.body, writes)
    statement.orelse = _block(statement.orelse, writes)
    return found


def _while(statement: Any, writes: Collection[ast.AST]) -> Needs:
    statement.test = _flushed(statement.test)
    statement.body = _block(statement.body, writes)
    statement.orelse = _block(statement.orelse, writes)
    return {}


def _for(statement: Any, writes: Collection[ast.AST]) -> Needs:
    call = statement.iter.args if _is_range(statement.iter) else [statement.iter]
    found = needs(ast.Tuple([statement.target, *call], ast.Load()))
    match statement.target:
        case ast.Name():
            each = EACH
        case ast.Tuple(elts=parts) | ast.List(elts=parts) if all(isinstance(part, ast.Name) for part in parts):
            each = EACH_PAIR
        case _:
            each = EACH_ALONE
    statement.iter = _at(statement.iter, ast.Call(ast.Name(each, ast.Load()), [statement.iter], []))
    statement.body = _block(statement.body, writes)
    statement.orelse = _block(statement.orelse, writes)
    return found


def _is_range(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name("range"), keywords=[]):
            return True
    return False


def _try(statement: Any, writes: Collection[ast.AST]) -> Needs:
    statement.body = _block(statement.body, writes)
    for each in statement.handlers:
        if each.type is not None and needs(each.type) != {}:
            each.type = _flushed(each.type)
        each.body = _block(each.body, writes)
    statement.orelse = _block(statement.orelse, writes)
    statement.finalbody = _block(statement.finalbody, writes)
    return {}


def _match(statement: Any, writes: Collection[ast.AST]) -> Needs:
    for case in statement.cases:
        case.body = _block(case.body, writes)
    return None  # its patterns compare


_GUARDS: dict[type[ast.stmt], Callable[[Any, Collection[ast.AST]], Needs]] = {
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


def _before(place: ast.stmt, found: Needs) -> list[ast.stmt]:
    """What goes before a statement that needs this."""
    if found is None:
        return [_flush(place)]
    if not found:
        return []
    return [_call(place, UNLESS, *(_name_and_role(name, role) for name, role in sorted(found.items())))]


def _name_and_role(name: str, role: Role) -> ast.expr:
    return ast.Constant((name, int(role)))  # type: ignore[arg-type]  # the compiler takes tuples, too


def _flush(place: ast.stmt) -> ast.stmt:
    return _call(place, FLUSH)


def _flushed(node: ast.expr) -> ast.expr:
    """The same expression after a flush (which gives None)."""
    flush = _at(node, ast.Call(_at(node, ast.Name(FLUSH, ast.Load())), [], []))
    made: ast.expr = _at(node, ast.BoolOp(ast.Or(), [flush, node]))
    return made
