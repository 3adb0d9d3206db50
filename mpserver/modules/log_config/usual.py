"""Log lines of usual requests: a format becomes one function, without a call for each of its items.

Python's source is made for it once, of the expressions below. What comes from clients is looked at where it stands in
the line: of the path whether anything in it has to be escaped; what the request line shows is made once for all
requests that have the same head, what headers show that stand side by side is one text, made once for all requests that
have the same header fields (`mpserver.http1.blocks`). What has to be escaped otherwise, and whatever else is not usual,
an item's own function makes; where a request was redirected, the whole line is made item by item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

from mpserver.modules.log_config.items import OWN_WAYS, escape
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


#: What items without an argument are of a request, where nothing has to be escaped. (No quotes: these stand within
#: quotes.)
_PLAIN = {
    "a": "req.mp_link.client[0] if req.mp_agent is None else get{number}(req)",
    "b": "req.mp_sent or DASH",
    "B": "req.mp_sent",
    "D": "int(req.mp_duration * 1_000_000)",
    "h": "req.mp_link.client[0] if req.mp_agent is None and not req.mp_link.client_name() else get{number}(req)",
    "H": "req.mp_protocol",
    "I": "req.mp_bytes_in",
    "m": "req.mp_method",
    "O": "req.mp_bytes_out",
    "r": "req.mp_head.shown or get{number}(req)",
    "s": "req.mp_status",
    "t": "kept[2] if (kept := get{number}.kept)[0] <= req.mp_request_time < kept[1] else get{number}(req)",
    "u": "DASH if req.mp_user is None else get{number}(req)",
}
#: Texts that may have to be escaped; empty ones are shown as "-".
_TEXTS = {"U": "req.mp_uri", "v": "req.mp_host.name"}
_TEXT = (
    "(text if (text := {expression}).isascii() and text.isprintable() and QUOTE not in text and BACKSLASH not in text "
    "else get{number}(req)) or DASH"
)
#: Headers of a request whose table of headers nobody has asked for.
_FIELDS = "(req.mp_head.like.told.get(name{number}) if req.mp_table_in is None else None) or get{number}(req)"
_OTHER = "DASH if (value := get{number}(req)) is None else value"


def usual_line(texts: Sequence[str], items: Sequence[Item], other: Callable[[Any], str]) -> Callable[[Any], str]:
    """The function that makes the lines of a format.

    :param texts: the format's text before, between and after its items.
    :param other: makes the lines that this one does not.
    """
    whole = "".join(texts)
    if not (whole.isascii() and whole.isprintable()):
        return other
    names: dict[str, Any] = {"other": other, "DASH": "-", "QUOTE": QUOTE, "BACKSLASH": BACKSLASH}
    line = _literal(texts[0])
    number = 0
    while number < len(items):
        item, end = items[number], number + 1
        if item.letter == "l" and not item.argument:
            line += "-" + _literal(texts[end])  # (it is nothing that has to be looked at)
            number = end
            continue
        expression, get = _expression(item), item.get
        if _is_field(item):
            while end < len(items) and _is_field(items[end]):
                end += 1
            expression = _FIELDS
            get, names[f"name{number}"] = _teller(items[number:end], texts[number + 1 : end])
        elif item.letter == "r" and not item.argument:
            get = _line
        names[f"get{number}"] = get
        line += "{(" + expression.format(number=number) + ")}" + _literal(texts[end])
        number = end
    source = (
        "def line(req):\n"
        "    if req.mp_prev is None and req.mp_next is None:\n"
        f'        return f"{line}"\n'
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
    if item.argument:
        return _OTHER
    if item.letter in _TEXTS:
        return _TEXT.format(expression=_TEXTS[item.letter], number="{number}")
    return _PLAIN.get(item.letter, _OTHER)


def _is_field(item: Item) -> bool:
    """Whether an item is a header of the request, as the request has it."""
    return item.letter == "i" and item.argument.lower() not in OWN_WAYS


def _line(req: Any) -> str:
    """Shows the request line, and lets further requests with the same head have its text."""
    head = req.mp_head
    head.shown = shown = escape(head.line)
    return shown or "-"


def _teller(items: Sequence[Item], between: Sequence[str]) -> tuple[Getter, str]:
    """Shows headers that stand side by side, and lets further requests with the same fields have their text.

    :returns: that, and the text's name.
    """
    names = [item.argument.lower() for item in items]
    name = "\0".join([names[0], *chain.from_iterable(zip(between, names[1:], strict=True))])

    def tell(req: Any) -> str:
        values = ["-" if value is None else str(value) for value in [item.get(req) for item in items]]
        text = "".join([values[0], *chain.from_iterable(zip(between, values[1:], strict=True))])
        if req.mp_table_in is None:
            req.mp_head.like.told[name] = text
        return text

    return tell, name
