"""Log lines of usual requests: a format becomes one function, without a call for each of its items.

Python's source is made for it once, of the expressions below. What they give is not escaped: one look at the finished
line shows whether anything in it would have had to be. So it would where a byte is not printable ASCII, or where there
are other quotes and backslashes than those of the format itself; then, and where a request was redirected, the line is
made item by item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.modules.log_config.items import Getter

QUOTE, BACKSLASH = '"', "\\"
#: What some characters are in the source of an f-string.
_IN_SOURCE = {QUOTE: '\\"', BACKSLASH: r"\\", "{": "{{", "}": "}}"}


class Item(NamedTuple):
    """A compiled item: its getter, and whether it means the first of redirected requests.

    ``letter`` and ``argument`` are what it was made of; "" where it looks at statuses as well.
    """

    get: Getter
    first: bool
    letter: str = ""
    argument: str = ""


#: What items without an argument are of a request; None is shown as "-". (No quotes: these stand within quotes.)
_PLAIN = {
    "a": "req.mp_link.client[0] if req.mp_agent is None else req.mp_agent[0]",
    "b": "req.bytes_sent or DASH",
    "B": "req.bytes_sent",
    "D": "int(req.mp_duration * 1_000_000)",
    "h": "(req.mp_link.client_name() or req.mp_link.client[0]) if req.mp_agent is None else get{number}(req)",
    "H": "req.mp_protocol",
    "I": "req.mp_bytes_in",
    "l": "DASH",
    "m": "req.mp_method",
    "O": "req.mp_bytes_out",
    "r": "req.mp_head.line or DASH",
    "s": "req.mp_status",
    "t": "kept[2] if (kept := get{number}.kept)[0] <= req.mp_request_time < kept[1] else get{number}(req)",
    "u": "DASH if req.mp_user is None else req.mp_user or QUOTES",
    "U": "req.mp_uri or DASH",
    "v": "req.mp_host.name",
}
#: Which of them are never None.
_CERTAIN = frozenset("abBDHIlmOrstuUv")
#: A header of a request whose table of headers nobody has asked for.
_FIELD = "req.mp_head.get(name{number}) if req.mp_table_in is None else get{number}(req)"
#: Headers that the table has in ways of its own.
_OWN_WAYS = frozenset({"cookie", "host"})
_OTHER = "get{number}(req)"
_OR_DASH = "DASH if (value := {expression}) is None else value"


def usual_line(texts: Sequence[str], items: Sequence[Item], other: Callable[[Any], str]) -> Callable[[Any], str]:
    """The function that makes the lines of a format.

    :param texts: the format's text before, between and after its items.
    :param other: makes the lines that this one does not.
    """
    whole = "".join(texts)
    if not (whole.isascii() and whole.isprintable()):
        return other
    names: dict[str, Any] = {"other": other, "DASH": "-", "QUOTES": '""'}
    line = _literal(texts[0])
    for number, (item, text) in enumerate(zip(items, texts[1:], strict=True)):
        names[f"get{number}"], names[f"name{number}"] = item.get, item.argument.lower()
        line += "{" + _expression(item).format(number=number) + "}" + _literal(text)
    source = (
        "def line(req):\n"
        "    if req.mp_prev is None and req.mp_next is None:\n"
        f'        text = f"{line}"\n'
        "        if text.isascii() and text.isprintable() "
        f"and text.count('\"') == {whole.count(QUOTE)} and text.count('\\\\') == {whole.count(BACKSLASH)}:\n"
        "            return text\n"
        "    return other(req)\n"
    )
    exec(compile(source, "<LogFormat>", "exec"), names)  # noqa: S102 - our own pieces, and literals by repr
    made: Callable[[Any], str] = names["line"]
    return made


def _literal(text: str) -> str:
    """Text as it stands in the source of an f-string."""
    return "".join(_IN_SOURCE.get(char, char) for char in text)


def _expression(item: Item) -> str:
    """What an item is, with its number to come."""
    plain = _PLAIN.get(item.letter) if not item.argument else None
    if plain is not None:
        return f"({plain})" if item.letter in _CERTAIN else f"({_OR_DASH.format(expression=plain)})"
    known = item.letter == "i" and item.argument.lower() not in _OWN_WAYS
    return f"({_OR_DASH.format(expression='(' + (_FIELD if known else _OTHER) + ')')})"
