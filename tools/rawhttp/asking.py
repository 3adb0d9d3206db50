"""Sends a case to a server, and tells what came of it."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from rawhttp.case import Case

#: Answers that have no content whatever their fields say (RFC 9112 6.3).
_BODILESS = frozenset({204, 304})

_status_line = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r\n")
#: (With the single LF that a recipient may take, RFC 9112 2.2.)
_head_end = re.compile(rb"\r\n\r?\n")
_length = re.compile(rb"(?i)\r\ncontent-length:[ \t]*([0-9]+)[ \t]*\r\n")
_chunked = re.compile(rb"(?i)\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n")
_chunk = re.compile(rb"([0-9A-Fa-f]+)[^\r\n]*\r\n")


class Malformed(Exception):
    """What a server sent is no answer, or more than that; the text says what was met."""


class Answer(NamedTuple):
    """One answer of a server."""

    status: int
    body: bytes


class Outcome(NamedTuple):
    """What came of a case: its name (see `rawhttp.case.Case`), and the bytes that the server sent."""

    name: str
    received: bytes
    answers: tuple[Answer, ...]


def exchange(address: tuple[str, int], sent: bytes, ends: bool, patience: float) -> tuple[bytes, bool]:
    """All that a server sends before it closes, and whether it closed within so many seconds of silence."""
    received = bytearray()
    with socket.create_connection(address, timeout=patience) as sock:
        # a server may close before it has read all; what it said then is the answer
        with contextlib.suppress(ConnectionError, TimeoutError):
            sock.sendall(sent)
            if ends:
                sock.shutdown(socket.SHUT_WR)
        try:
            while data := sock.recv(65536):
                received += data
        except ConnectionError:
            pass
        except TimeoutError:
            return bytes(received), False
    return bytes(received), True


def answers(received: bytes, bodiless: bool) -> Iterator[Answer]:
    """The answers in the bytes. :raises Malformed: they are none."""
    at = 0
    while at < len(received):
        line = _status_line.match(received, at)
        end = _head_end.search(received, at)
        if line is None or end is None:
            raise Malformed(f"no head: {received[at : at + 60]!r}")
        status, head, at = int(line[1]), received[line.end() - 2 : end.start() + 2], end.end()
        if status < 200 or bodiless or status in _BODILESS:
            yield Answer(status, b"")
        elif _chunked.search(head):
            body, at = _unchunked(received, at)
            yield Answer(status, body)
        else:
            found = _length.search(head)
            stop = len(received) if found is None else at + int(found[1])
            if stop > len(received):
                raise Malformed(f"the answer {status} ends before its length")
            yield Answer(status, received[at:stop])
            at = stop


def _unchunked(received: bytes, at: int) -> tuple[bytes, int]:
    """A chunked body that begins there, and where it ends."""
    parts = []
    while (line := _chunk.match(received, at)) is not None:
        size = int(line[1], 16)
        parts.append(received[line.end() : line.end() + size])
        at = line.end() + size
        if not received.startswith(b"\r\n", at):
            break
        at += 2
        if not size:
            return b"".join(parts), at
    raise Malformed("a chunked answer that does not end")


def ask(address: tuple[str, int], case: Case, patience: float = 20) -> Outcome:
    """What comes of a case; ``patience``: for how many seconds of silence it is waited.

    :raises OSError: nobody listens there.
    """
    received, closed = exchange(address, case.sent, case.ends, patience)
    if received and not received.startswith(b"HTTP/"):
        return Outcome("0.9", received, ())
    try:
        seen = tuple(answers(received, case.bodiless))
    except Malformed as error:
        return Outcome(f"malformed: {error}", received, ())
    words = [str(answer.status) for answer in seen]
    if not closed:
        words.append("kept" if words else "waits")
    return Outcome(" ".join(words) or "none", received, seen)


def fault(case: Case, outcome: Outcome, accepted: tuple[str, ...], echoes: bool = True) -> str | None:
    """Why the outcome is not among these, None where it is; ``echoes``: the server's 200 tells the body it got."""
    if outcome.name not in accepted:
        return f"{outcome.name}, not {' or '.join(accepted)}"
    last = outcome.answers[-1] if outcome.answers else None
    if echoes and case.echo is not None and last is not None and last.status == 200 and last.body != case.echo:
        return f"the application got {last.body[:40]!r}, not {case.echo[:40]!r}"
    if case.shows is not None and outcome.name == case.accepted[0] and not re.search(case.shows, outcome.received):
        return f"the answer lacks {case.shows!r}"
    return None


def ask_all(
    address: tuple[str, int], cases: tuple[Case, ...], patience: float = 20, at_once: int = 4
) -> Iterator[tuple[Case, Outcome]]:
    """What comes of each case, in their order, some at a time."""
    with ThreadPoolExecutor(at_once) as pool:
        yield from zip(cases, pool.map(lambda case: ask(address, case, patience), cases), strict=True)
