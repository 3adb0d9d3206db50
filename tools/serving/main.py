"""Serves WSGI applications of PyPI by this server and by gunicorn, and compares what clients get.

Each application of `serving.catalogue` is served by gunicorn (one worker with threads), and by this server with one
worker of the MPM worker, in each kind of interpreter: as ``auto`` has it, in an own one, and in a process.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from serving.catalogue import APPS, App
from serving.clients import Answer, ask_all
from support.server import Port, Server, listens
from support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tools" / "wsgi_apps"
KINDS = ("auto", "own", "process")

CONF = """
<Location />
    PythonInterpEnv DATA {data}
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonInterpreter site
    PythonPath "sys.path + ['{sources}']"
    PythonOption mod_python.wsgi.application {name}
</Location>
"""


class Outcome(NamedTuple):
    """What a server made of an application."""

    answers: list[Answer | str]
    said: str
    #: How long the first answer took, in seconds.
    first: float
    #: The kind of interpreter that served in the end, and what the log says of refusals.
    kind: str = ""
    refused: str = ""
    log: str = ""


def missing(app: App) -> list[str]:
    """The packages of an application that are not installed."""
    found = []
    for package in app.packages:
        try:
            version(package.partition("[")[0])
        except PackageNotFoundError:
            found.append(package)
    return found


def use(app: App, port: int, folder: Path) -> tuple[list[Answer | str], str, float]:
    """Let the clients of an application loose on a server."""
    began = time.monotonic()
    answers = ask_all(port, app.asks[:1])
    first = time.monotonic() - began
    answers = [*answers, *ask_all(port, app.asks[1:])]
    said = ""
    if app.client is not None:
        mine = folder / "client"
        mine.mkdir()
        try:
            said = app.client(port, mine)
        except Exception as error:  # whatever it raises is an outcome, too
            said = f"{type(error).__name__}: {error}"
    return answers, said, first


def by_gunicorn(app: App, folder: Path) -> Outcome:
    """Serve an application by gunicorn."""
    data = prepared(app, folder)
    reserved = Port()
    log = folder / "gunicorn.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-k", "gthread", "--threads", "8", "-b", f"127.0.0.1:{reserved.number}",
             "--reuse-port", "--pythonpath", str(SOURCES), app.name],
            env=os.environ | {"DATA": str(data)}, stdout=file, stderr=subprocess.STDOUT, cwd=folder,
        )  # fmt: skip
    reserved.release()
    try:
        wait_for(lambda: b"Booting worker" in log.read_bytes() or process.poll() is not None, "gunicorn")
        wait_for(lambda: process.poll() is not None or listens(reserved.number), "gunicorn to listen")
        outcome = Outcome(*use(app, reserved.number, folder))
    finally:
        process.terminate()
        process.wait()
    return outcome._replace(log=log.read_text(errors="replace"))


def by_us(app: App, folder: Path, kind: str) -> Outcome:
    """Serve an application by this server."""
    data = prepared(app, folder)
    conf = CONF.format(data=data, sources=SOURCES, name=app.name)
    with Server(folder / "server", conf, backend=kind, mode="foreground", mpm="worker") as server:
        outcome = Outcome(*use(app, server.port, folder))
        status = json.loads(server.command("--status", "--json").stdout)
        kinds = [one["kind"] for worker in status["workers"] for one in worker["interpreters"] if one["name"] == "site"]
        lines = [line for line in server.log().splitlines() if "runs in processes from now on" in line]
        refused = lines[0].partition("interpreter 'site': ")[2] if lines else ""
        return outcome._replace(kind=kinds[0] if kinds else "", refused=refused, log=server.said())


def prepared(app: App, folder: Path) -> Path:
    """The folder of an application's data."""
    data = folder / "data"
    data.mkdir(parents=True)
    if app.prepare is not None:
        app.prepare(data)
    return data


def _said(answer: Answer | str) -> str:
    return answer if isinstance(answer, str) else str(answer.status)


def _differs(one: Answer | str, other: Answer | str) -> str:
    """What differs between gunicorn's answer and ours; "": nothing."""
    if isinstance(one, str) or isinstance(other, str) or one.status != other.status:
        return "" if one == other else f"{_said(one)}, here {_said(other)}"
    theirs, ours = dict(one.headers), dict(other.headers)
    if "content-length" in ours and "content-length" not in theirs and one.body == other.body:
        del ours["content-length"]
        if theirs == ours:
            return "chunked, here with Content-Length"
    if one.body == other.body and len(theirs) == len(ours):
        theirs.pop("content-length", None)  # (it is that of what was not settled)
        ours.pop("content-length", None)
    if theirs != ours:
        return f"headers {set(theirs.items()) - set(ours.items())}, here {set(ours.items()) - set(theirs.items())}"
    return "" if one.body == other.body else f"body {_apart(one.body, other.body)}"


def _apart(one: bytes, other: bytes) -> str:
    """Where two texts begin to differ."""
    start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return f"{one[start : start + 40]!r}, here {other[start : start + 40]!r}"


def differences(app: App, theirs: Outcome, ours: Outcome) -> list[str]:
    """What differs, in words, with the reason where that is known."""
    found: list[tuple[str, str]] = []
    for ask, one, other in zip(app.asks, theirs.answers, ours.answers, strict=True):
        what = _differs(one, other)
        if what:
            found.append((f"{ask.method} {ask.path.partition('?')[0]}", what))
    if theirs.said != ours.said:
        found.append((app.uses, f"{theirs.said}, here {ours.said}"))
    told: dict[str, list[str]] = {}
    for where, what in found:
        why = REASONS.get(what, "")
        if not why:
            known = next((one for one in app.known if where in one.where), None)
            what, why = (what[:160], "") if known is None else (known.what, known.why)
        places = told.setdefault(f"{what} ({why})" if why else what, [])
        if where not in places:
            places.append(where)
    return [f"{', '.join(places)}: {what}" for what, places in told.items()]


#: Why an answer differs.
REASONS = {
    "chunked, here with Content-Length": "a list is sent with its length",
}


class Result(NamedTuple):
    """A row of the page."""

    app: str
    versions: str
    uses: str
    asked: str
    kind: str
    why: str
    first: str
    #: Where it is as by gunicorn, and where not.
    same: str


def compare(app: App, kinds: Iterable[str], keep: Path | None) -> Iterator[Result]:
    """Serve an application by all, and tell what differs."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep / app.name if keep is not None else Path(temporary)
        shutil.rmtree(folder, ignore_errors=True)
        theirs = by_gunicorn(app, folder / "gunicorn")
        versions = ", ".join(f"{one.partition('[')[0]} {version(one.partition('[')[0])}" for one in app.packages)
        for kind in kinds:
            ours = by_us(app, folder / kind, kind)
            told = "; ".join(differences(app, theirs, ours)) or "the same"
            why = ours.refused.partition(" can't be used")[0]
            yield Result(
                app.name,
                versions or "-",
                app.uses,
                kind,
                ours.kind,
                why,
                f"{theirs.first:.1f} s, {ours.first:.1f} s",
                told,
            )


PAGE = ROOT / "docs" / "wsgi-applications.md"
HEAD = """\
# Applications that were tried

WSGI applications of PyPI, served by this server and by gunicorn (one worker with threads), and asked the same: made
by `tools/wsgi-table` with Python {python}. "Kind" is what `PythonInterpBackend auto` chose, and in brackets the module
or the deed that a subinterpreter refuses; then the application runs in processes, from its first request on. "First" is
the time of the first answer, by gunicorn (its application is loaded before) and here (the request loads it;
`PythonImport` does that at the start, see `wsgi.md`), on a quiet machine with two cores. Where something differs, it
is told what gunicorn does, what is done here, and why.

| application | client | kind | first | as by gunicorn |
| --- | --- | --- | --- | --- |
"""


def row(one: Result) -> str:
    """A result as the page shows it."""
    kind = one.kind + (f" ({one.why})" if one.why else "")
    same = one.same.replace("|", "\\|").replace("\n", " ")
    name = one.app if one.versions == "-" else f"{one.versions} ({one.app})"
    return f"| {name} | {one.uses} | {kind} | {one.first} | {same} |\n"


def page(rows: Mapping[str, str]) -> str:
    """The page of rows, which are known by their applications."""
    head = HEAD.format(python=".".join(map(str, sys.version_info[:3])))
    return head + "".join(rows[app.name] for app in APPS if app.name in rows)


def rows_of(text: str) -> dict[str, str]:
    """The rows of a page that is there, by their applications.

    :raises ValueError: its head is another, as that of another Python's page
    """
    head = page({})
    if not text.startswith(head):
        raise ValueError(f"{PAGE.name} was made with another Python, or has another head: make all of it")
    table = text[len(head) :]
    return {line.split(" | ")[0].strip("| )").rpartition("(")[2]: line for line in table.splitlines(keepends=True)}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", action="append", choices=KINDS, help="auto, if none is named")
    parser.add_argument("--keep", type=Path, help="a folder for data and logs")
    parser.add_argument("--results", type=Path, help="a file for results, a line of JSON each, to which they are added")
    parser.add_argument("--page", action="store_true", help="make the page of such a file, and serve nothing")
    parser.add_argument("--rows", action="store_true", help="with --page: replace the rows of these applications alone")
    parser.add_argument("apps", nargs="*", help="names of applications, all if none is named")
    options = parser.parse_args()
    if options.page:
        results = [Result(*json.loads(line)) for line in options.results.read_text().splitlines()]
        rows = rows_of(PAGE.read_text()) if options.rows else {}
        PAGE.write_text(page(rows | {one.app: row(one) for one in results if one.asked == "auto"}))
        return
    for app in APPS:
        if options.apps and app.name not in options.apps:
            continue
        absent = missing(app)
        if absent:
            print(f"{app.name}: not installed: {' '.join(absent)}", flush=True)
            continue
        for result in compare(app, options.kind or ["auto"], options.keep):
            print(*result, sep="\t", flush=True)
            if options.results is not None:
                with options.results.open("a") as file:
                    file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
