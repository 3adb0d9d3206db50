"""Header fields: their grammar (RFC 9110 section 5, RFC 9112 section 5) and limits.

Heads and the trailers of chunked bodies are read by the same rules.
"""

from __future__ import annotations

from mpserver import lazyre
from mpserver.errors import RequestError
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re

Pairs = list[tuple[str, str]]


class Limits(NamedTuple):
    """What a head may measure. All are checked while the head is still incomplete."""

    line: int = 8190
    """Bytes of the request line without its CRLF (LimitRequestLine)."""
    fields: int = 100
    """How many fields; 0 is no limit (LimitRequestFields)."""
    field_size: int = 8190
    """Bytes of one field line without its CRLF (LimitRequestFieldSize)."""


# RFC 9110 5.6.2:
#   token = 1*tchar
#   tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~"
#           / DIGIT / ALPHA
TCHAR = r"!#$%&'*+\-.^_`|~0-9A-Za-z"
is_token = lazyre.now(f"[{TCHAR}]++").fullmatch

# RFC 9112 5, RFC 9110 5.5:
#   field-line    = field-name ":" OWS field-value OWS
#   field-name    = token
#   field-value   = *field-content          (VCHAR / obs-text, with SP and HTAB between)
#   OWS           = *( SP / HTAB )
# obs-fold is refused: a line that starts with whitespace has no field-name. The trailing OWS
# stays in the second group, since cutting it off here would cost every field a back-tracking.
# Possessive quantifiers: a line is walked once, whatever is in it.
_find_lines = lazyre.now(f"^([{TCHAR}]++):[ \t]*+([^\x00-\x08\x0a-\x1f\x7f]*+)\r\n", lazyre.MULTILINE).findall

# Why a line (with its CR, without its LF) was refused, for the log; the first that is found in it says so.
_FAULTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (lazyre.compile(r"[^\r]\Z|\A\Z"), "a line ends in a bare LF"),
    (lazyre.compile(r"\x00"), "NUL in a header field"),
    (lazyre.compile(r"\r(?!\Z)"), "bare CR in a header field"),
    (lazyre.compile(r"\A[ \t]"), "a folded line, or whitespace before the first header field"),
    (lazyre.compile(r"\A[^:]*\Z"), "a header line without a colon"),
    (lazyre.compile(r"\A:"), "a header field without a name"),
    (lazyre.compile(r"\A[^:]*[ \t]:"), "whitespace between a header field's name and its colon"),
    (lazyre.compile(rf"\A[^:]*[^{TCHAR}:][^:]*:"), "a header field's name is no token"),
    (lazyre.compile(r""), "a control character in a header field"),
)


def read_fields(text: str, limits: Limits) -> Pairs:
    """The fields of a header block or trailer section as (name as sent, value without OWS around).

    ``text`` is latin-1 decoded: each line with its CRLF, without the empty line at the end.
    Raises RequestError 400 for what the grammar or the limits refuse (httpd says 400 where
    RFC 6585 has 431).
    """
    count = text.count("\n")
    if count > limits.fields > 0:
        raise RequestError(400, f"more than {limits.fields} header fields (LimitRequestFields)")
    pairs: Pairs = _find_lines(text)
    # Each match starts where a line starts and takes exactly one LF: as many matches as LFs mean
    # that every line was one, and that nothing stood between them.
    if len(pairs) != count:
        raise RequestError(400, _fault(text))
    if len(text) > limits.field_size:
        check_sizes(text, limits)
    if " \r" in text or "\t\r" in text:
        pairs = [(name, value.rstrip(" \t")) for name, value in pairs]
    return pairs


def check_sizes(text: str, limits: Limits) -> None:
    """Refuse the first field line that is longer than allowed."""
    for line in text.split("\r\n"):
        if len(line) > limits.field_size:
            raise RequestError(400, f"{_name(line)} is longer than {limits.field_size} bytes (LimitRequestFieldSize)")


def _name(line: str) -> str:
    name = line[:80].partition(":")[0]
    return f"header field {name}" if is_token(name) else "a header field"


def _fault(text: str) -> str:
    """What is wrong with the first line that is no field line."""
    for line in text.split("\n")[:-1]:
        if not _find_lines(line + "\n"):
            return next(reason for pattern, reason in _FAULTS if pattern.search(line))
    raise AssertionError("every line is a field line")  # the caller counted otherwise


def quoted(text: str) -> str:
    """A text as a quoted string (RFC 9110 5.6.4)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
