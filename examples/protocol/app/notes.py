"""A server for notes that speaks lines: SET name text, GET name, QUIT. No request of HTTP is involved."""

from __future__ import annotations

import threading

from mod_python import apache

LONGEST = 1000
_notes: dict[bytes, bytes] = {}
_gate = threading.Lock()


def connectionhandler(connection: apache.Connection) -> int:
    """Answer each line, until the client quits or leaves."""
    connection.write(b"HELLO\r\n")
    while line := connection.readline(LONGEST):
        if not line.endswith(b"\n"):
            connection.write(b"ERROR a line is too long\r\n")
            break
        answer = obey(line.strip())
        connection.write(answer + b"\r\n")
        if answer == b"BYE":
            break
    return apache.OK


def obey(line: bytes) -> bytes:
    """Do what a line says. :returns: the answer."""
    word, _, rest = line.partition(b" ")
    match word.upper():
        case b"SET":
            name, _, text = rest.partition(b" ")
            if not name:
                return b"ERROR SET needs a name and a text"
            with _gate:
                _notes[name] = text
            return b"OK"
        case b"GET":
            with _gate:
                found = _notes.get(rest)
            return b"NONE" if found is None else b"NOTE " + found
        case b"QUIT":
            return b"BYE"
    return b"ERROR write SET name text, GET name or QUIT"
