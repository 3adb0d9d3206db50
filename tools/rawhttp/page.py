"""The page docs/http.md: every case, what may come of it, what comes of it here, and what others make of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from rawhttp.case import Case
from rawhttp.cases import CASES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "http.md"
RECORD = Path(__file__).with_name("recorded.json")

#: By server, by case: the outcome.
Recorded = Mapping[str, Mapping[str, str]]

HEAD = """\
# HTTP/1.1, case by case

What this server makes of bytes on a connection, with the section that speaks of them, and what other servers made of
the same. `tools/raw-http` makes this page from its table of cases (`tools/rawhttp/cases/`); do not edit it. The tests
ask this server every case for every kind of interpreter under both MPMs (`tests/server/test_raw_http.py`), and take
nothing but what stands below it. `tools/raw-http HOST:PORT` asks any other server; `tools/rawhttp/site/` has what these
served: an application, and where they have files, one file. nginx was a gateway before itself.

An outcome names the statuses of all answers until the server closes; `none`: it closes without one. After `or` stands
what the section allows besides. 418 is the answer to a request that follows another one on the same connection. Where
two readers could disagree about a request, this server refuses it, though the section may allow to repair it: requests
are smuggled where two servers repair differently.

Of the others, what is not among the outcomes that the section allows is **bold**. `waits`: no answer came in 2 seconds,
`kept`: the connection stayed open after it, `malformed`: the answers are none, `but wrong`: the status is right, and a
field of the answer or the body that the application got is not. A dash: not asked (a server of applications alone has
no files).
"""


def read() -> dict[str, dict[str, str]]:
    """What other servers made of the cases."""
    kept: dict[str, dict[str, str]] = json.loads(RECORD.read_text())
    return kept


def record(server: str, said: Mapping[str, str]) -> None:
    """Keep what a server made of the cases."""
    lines = {**read(), server: said}
    parts = [
        f'"{name}": {{\n'
        + ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in told.items())
        + "\n}"
        for name, told in lines.items()
    ]
    RECORD.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def _cell(text: str) -> str:
    """A text in a cell of a table, as it stands."""
    text = text.replace("|", "\\|")
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _row(case: Case, recorded: Recorded) -> str:
    own, *others = case.accepted
    here = own + (f", or {', '.join(others)}" if others else "")
    cells = [_cell(case.name), case.section, here]
    for said in recorded.values():
        told = said.get(case.name, "-")
        cells.append(told if told in ("-", *case.accepted) else f"**{told}**")
    return f"| {' | '.join(cells)} |"


def _counts(recorded: Recorded) -> Iterator[str]:
    """How many cases each server answers as the sections allow."""
    total = sum(map(len, CASES.values()))
    yield "| server | cases asked | as the sections allow |"
    yield "| --- | ---: | ---: |"
    yield f"| mpserver | {total} | {total} |"
    for server, said in recorded.items():
        asked = [case for cases in CASES.values() for case in cases if case.name in said]
        good = sum(said[case.name] in case.accepted for case in asked)
        yield f"| {server} | {len(asked)} | {good} |"


def page() -> str:
    """The page."""
    recorded = read()
    lines = [HEAD, *_counts(recorded)]
    for about, cases in CASES.items():
        lines += ["", f"## {about}", "", f"| case | section | mpserver | {' | '.join(recorded)} |"]
        lines.append("| --- " * (3 + len(recorded)) + "|")
        lines += [_row(case, recorded) for case in cases]
        argued: dict[str, list[str]] = {}
        for case in cases:
            if case.argued:
                argued.setdefault(case.argued, []).append(_cell(case.name))
        for why, names in argued.items():
            lines += ["", f"Stricter than the section asks, for {why}: {', '.join(names)}."]
    return "\n".join(lines) + "\n"
