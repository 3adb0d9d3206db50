"""Golden files of the server: configuration and request in, answer out.

A file has cases. Each is a virtual host of its own, so that all of them need one server only::

    == what it is about
    Header set X-Color "%{COLOR}e"        the configuration
    SetEnv COLOR blue
    > GET /page.txt                        a request: its line, and further headers
    > X-Name: value
    < 200                                  the answer: its status
    < X-Color: blue                        its headers; after a tilde a regular expression
    < !ETag                                a header that it has not
    | text                                 the lines of its body, where they matter

Further requests of a case follow each other. Headers of the answer have to be told all, but for those of `USUAL`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

#: Headers that nobody has to tell.
USUAL = frozenset(
    ("date", "server", "connection", "keep-alive", "content-length", "etag", "last-modified", "accept-ranges",
     "transfer-encoding", "content-type", "allow")
)  # fmt: skip


class Exchange(NamedTuple):
    """A request and what has to be answered."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    status: int
    answer: tuple[str, ...]
    body: tuple[str, ...]


class Case(NamedTuple):
    """A configuration and what it does."""

    name: str
    line: int
    conf: str
    exchanges: tuple[Exchange, ...]


def read(path: Path) -> list[Case]:
    """The cases of a file."""
    cases: list[Case] = []
    for number, text in enumerate(path.read_text().splitlines(), 1):
        if text.startswith("== "):
            cases.append(Case(text[3:], number, "", ()))
        elif not text or text.startswith("#"):
            continue
        else:
            cases[-1] = _with(cases[-1], text)
    return cases


def _with(case: Case, text: str) -> Case:
    if text[:2] not in ("> ", "< ", "| ") and text != "|":
        return case._replace(conf=f"{case.conf}    {text}\n")
    sign, rest = text[:1], text[2:]
    if sign == ">" and (not case.exchanges or case.exchanges[-1].status):
        method, path = rest.split(" ", 1)
        return case._replace(exchanges=(*case.exchanges, Exchange(method, path, (), 0, (), ())))
    *before, last = case.exchanges
    if sign == ">":
        name, _, value = rest.partition(": ")
        last = last._replace(headers=(*last.headers, (name, value)))
    elif sign == "|":
        last = last._replace(body=(*last.body, rest))
    elif not last.status:
        last = last._replace(status=int(rest))
    else:
        last = last._replace(answer=(*last.answer, rest))
    return case._replace(exchanges=(*before, last))


def hosts(cases: list[Case], prelude: str, name: str = "case") -> str:
    """The virtual hosts of the cases; ``prelude`` is in each of them."""
    return "".join(
        f"<VirtualHost *:${{PORT}}>\n    ServerName {name}{number}\n{prelude}{case.conf}</VirtualHost>\n"
        for number, case in enumerate(cases)
    )


def differences(
    wanted: Exchange, status: int, headers: list[tuple[str, str]], body: str, told: Mapping[str, str] | None = None
) -> Iterator[str]:
    """What an answer has that it should not have, and the other way round; ``told`` is put into the file's texts."""
    if status != wanted.status:
        yield f"status {status}, not {wanted.status}"
    left = [(name.lower(), value) for name, value in headers]
    for line in wanted.answer:
        for name, value in (told or {}).items():
            line = line.replace("${" + name + "}", value)
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        if name.startswith("!"):
            if any(its == name[1:] for its, _ in left):
                yield f"{name[1:]} is there"
            continue
        found = next((pair for pair in left if pair[0] == name and _is(value, pair[1])), None)
        if found is None:
            yield f"no {line!r}, but {[pair[1] for pair in left if pair[0] == name]}"
        else:
            left.remove(found)
    named = {line.partition(":")[0].lower() for line in wanted.answer}
    for name, value in left:
        if name not in USUAL or name in named:
            yield f"{name}: {value} was not told"
    if wanted.body and body.rstrip("\n") != "\n".join(wanted.body):
        yield f"the body {body!r}"


def _is(wanted: str, found: str) -> bool:
    return re.fullmatch(wanted[1:], found) is not None if wanted.startswith("~") else wanted == found
