"""What each change does to a table of headers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence

from mpserver.api.fixed_head import DEPENDENT, FixedChange
from mpserver.api.sent_text import as_sent
from mpserver.api.table import Table
from mpserver.config.expression import Expression
from mpserver.config.references import in_value
from mpserver.modules import expressions
from mpserver.modules.expression_facts import RequestFacts
from mpserver.modules.headers import Change, Value
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: Line breaks and NULs: they would end a header.
_BREAKS = re.compile(r"[\r\n\0]+")

#: Changes a table of a request: its own headers, or those of its response.
Apply = Callable[["Request", Table], None]


def compiled(changes: Sequence[Change], *, early: bool, of_response: bool) -> tuple[Apply, ...]:
    """The changes as functions, those that are early or the others."""
    return tuple(_conditional(change, of_response) for change in changes if change.early is early)


def fixed(always: Sequence[Change], response: Sequence[Change]) -> FixedChange | None:
    """What changes do to every response alike; None where one of them depends on more than the headers there are."""
    if not all(change.early or _is_fixed(change) for change in (*always, *response)):
        return None
    of_always = compiled(always, early=False, of_response=True)
    of_response = compiled(response, early=False, of_response=True)

    def act(always: Table, usual: Table) -> None:
        nobody: Any = None  # (such changes don't look at the request)
        for apply in of_always:
            apply(nobody, always)
        for apply in of_response:
            apply(nobody, usual)

    return FixedChange(act)


def _is_fixed(change: Change) -> bool:
    return (
        change.condition is None and change.variable is None and change.action in _FIXED
        and change.header.lower() not in DEPENDENT
        and (change.value is None or (
            not isinstance(change.value, Expression) and all(isinstance(part, str) for part in change.value)
        ))
    )  # fmt: skip


def _conditional(change: Change, of_response: bool) -> Apply:
    act = _ACTIONS[change.action](change, of_response)
    condition, variable = change.condition, change.variable
    if condition is not None:

        def by_condition(req: Request, table: Table) -> None:
            facts = RequestFacts(req)
            holds = expressions.holds(condition, facts)
            facts.tell_caches()
            if holds:
                act(req, table)

        return by_condition
    if variable is not None:
        unless = variable.startswith("!")
        name = variable.removeprefix("!")

        def by_variable(req: Request, table: Table) -> None:
            if (req.mp_env is not None and name in req.mp_env) is not unless:
                act(req, table)

        return by_variable
    return act


# ---- values


def _text(value: Value | None) -> Callable[[Request], str]:
    """What makes a value, as a header has it: its bytes as latin-1."""
    if value is None:
        return lambda _req: ""
    if isinstance(value, Expression):
        expression = value

        # (as in httpd it is conditions that come into Vary, not texts)
        return lambda req: _sent(expressions.text(expression, RequestFacts(req)))
    parts = [_constant(part) if isinstance(part, str) else _ITEMS[part[0]](part[1]) for part in value]
    if all(isinstance(part, str) for part in value):
        whole = "".join(part(None) for part in parts)
        return lambda _req: whole
    return lambda req: "".join([part(req) for part in parts])


def _sent(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return _BREAKS.sub(" ", text).encode("utf-8", "surrogateescape").decode("latin-1")


def _constant(text: str) -> Callable[[Any], str]:
    sent = _sent(text)
    return lambda _req: sent


def _variable(name: str) -> Callable[[Any], str]:
    """A variable of the environment; as in httpd one that is missing shows."""

    def find(req: Request) -> str:
        env = req.mp_variables
        value = None if env is None else env.get(name)
        return "(null)" if value is None else _latin(value)

    return find


def _latin(value: str) -> str:
    """A variable's value: of a header it is latin-1 already, of a path it is text."""
    if value.isascii() and value.isprintable():
        return value
    value = _BREAKS.sub(" ", value)
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return _sent(value)
    return value


def _ssl(name: str) -> Callable[[Any], str]:
    return lambda req: _sent(req.ssl_var_lookup(name) or "(null)")


def _load(_argument: str) -> Callable[[Any], str]:
    return lambda _req: "l={:.2f}/{:.2f}/{:.2f}".format(*os.getloadavg())


def _received(_argument: str) -> Callable[[Any], str]:
    return lambda req: f"t={int(req.mp_request_time * 1_000_000)}"


def _took(_argument: str) -> Callable[[Any], str]:
    import time

    return lambda req: f"D={max(0, int((time.time() - req.mp_request_time) * 1_000_000))}"


_ITEMS: Mapping[str, Callable[[str], Callable[[Any], str]]] = {
    "e": _variable,
    "s": _ssl,
    "l": _load,
    "t": _received,
    "D": _took,
}


# ---- actions


def _values(table: Table, name: str) -> list[str]:
    key = name.lower()
    return [value for its, value in table.pairs() if its.lower() == key]


def _typed(change: Change, of_response: bool) -> bool:
    """Whether it is about the type of the response, which is in no table."""
    return of_response and change.header.lower() == "content-type"


def _set(change: Change, of_response: bool) -> Apply:
    name, text, typed = change.header, _text(change.value), _typed(change, of_response)

    def act(req: Request, table: Table) -> None:
        value = text(req)
        if typed:
            req.mp_content_type = value
        else:
            table[name] = value

    return act


def _set_if_empty(change: Change, of_response: bool) -> Apply:
    name, act = change.header, _set(change, of_response)

    def maybe(req: Request, table: Table) -> None:
        if name not in table:  # (as in httpd: a type, which is in no table, is set whatever it was)
            act(req, table)

    return maybe


def _nothing(_req: Request, _table: Table) -> None:
    """Nothing is added to a type, as in httpd: it is in no table."""


def _add(change: Change, of_response: bool) -> Apply:
    name, text = change.header, _text(change.value)
    if _typed(change, of_response):
        return _nothing
    return lambda req, table: table.add(name, text(req))


def _joined(table: Table, name: str, value: str) -> None:
    """Put a value behind the first that is there, as the table of httpd does."""
    present = table.get(name)
    if present is None:
        table[name] = value
        return
    others = _values(table, name)[1:]
    table[name] = f"{present}, {value}"
    for other in others:
        table.add(name, other)


def _append(change: Change, of_response: bool) -> Apply:
    name, text = change.header, _text(change.value)
    if _typed(change, of_response):
        return _nothing
    return lambda req, table: _joined(table, name, text(req))


def _merge(change: Change, of_response: bool) -> Apply:
    name, text = change.header, _text(change.value)
    if _typed(change, of_response):
        return _nothing

    def act(req: Request, table: Table) -> None:
        value = text(req)
        present = table.get(name)
        if present is None or value.strip() not in [its.strip() for its in _ELEMENT.findall(present)]:
            _joined(table, name, value)

    return act


def _unset(change: Change, of_response: bool) -> Apply:
    name, typed = change.header, _typed(change, of_response)

    def act(req: Request, table: Table) -> None:
        if typed:
            req.mp_content_type = None
        else:
            del table[name]

    return act


def _echo(change: Change, _of_response: bool) -> Apply:
    pattern = change.pattern
    assert pattern is not None

    def act(req: Request, table: Table) -> None:
        for name, value in req.headers_in.items():
            if pattern.search(name):
                table.add(name, as_sent(req, value))

    return act


def _note(change: Change, _of_response: bool) -> Apply:
    name, text = change.header, _text(change.value)

    def act(req: Request, table: Table) -> None:
        value = table.get(name)
        if value is not None:
            req.notes[text(req)] = value

    return act


def _edit(change: Change, of_response: bool) -> Apply:
    name, pattern, count = change.header, change.pattern, 0 if change.action == "edit*" else 1
    text, typed = _text(change.value), _typed(change, of_response)
    assert pattern is not None
    regex = pattern

    def edited(req: Request, value: str) -> str:
        return regex.sub(lambda match: in_value(text(req), match), value, count=count)

    def act(req: Request, table: Table) -> None:
        if typed:
            if req.mp_content_type:
                req.mp_content_type = _BREAKS.sub(" ", edited(req, req.mp_content_type))
            return
        values = _values(table, name)
        if values:
            table[name] = _BREAKS.sub(" ", edited(req, values[0]))
            for value in values[1:]:
                table.add(name, _BREAKS.sub(" ", edited(req, value)))

    return act


#: The elements of a list, in which commas may be quoted.
_ELEMENT = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^",])+')


#: Actions that may be the same for every response.
_FIXED = frozenset({"set", "setifempty", "add", "append", "merge", "unset"})

_ACTIONS: Mapping[str, Callable[[Change, bool], Apply]] = {
    "set": _set,
    "setifempty": _set_if_empty,
    "add": _add,
    "append": _append,
    "merge": _merge,
    "unset": _unset,
    "echo": _echo,
    "note": _note,
    "edit": _edit,
    "edit*": _edit,
}
