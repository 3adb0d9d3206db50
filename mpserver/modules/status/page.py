"""The status page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mpserver.api.html_pages import END, beginning, escaped
from mpserver.modules.status.auto import cpu, duration, letters
from mpserver.modules.status.style import SCRIPT, STYLE
from mpserver.typing import Any

#: How many of the requests that run are shown, those first that have taken longest.
SLOWEST = 20

#: The letters of the scoreboard that are in use here, as httpd explains them.
KEY = (
    ("_", "Waiting for Connection"),
    ("S", "Starting up"),
    ("W", "Sending Reply"),
    ("G", "Gracefully finishing"),
    (".", "Open slot with no current process"),
)

#: A cell of a table: the text, and its classes.
Cell = tuple[str, str]


def size(count: float | None) -> str:
    """Bytes as people read them."""
    if count is None:
        return ""
    unit = ""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1000 or unit == "TiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def page(found: dict[str, Any], name: str, software: str, extended: bool, plain: bool) -> str:
    """The page. ``extended``: with what requests cost; ``plain``: without tables (?notable)."""
    return "".join(_pieces(found, name, software, extended, plain))


def _pieces(found: dict[str, Any], name: str, software: str, extended: bool, plain: bool) -> Iterator[str]:
    yield beginning(f"Server Status for {escaped(name)}", STYLE)
    yield f"<p data-part=head>{_head(found, software)}</p>\n"
    board = letters(found)
    memory = sum(worker["memory"] or 0 for worker in found["workers"]) + sum(
        interp["memory"] or 0 for worker in found["workers"] for interp in worker["interpreters"]
    )
    yield (
        f"<div id=figures hidden data-now='{found['now']:.3f}' data-requests='{found['requests']}' "
        f"data-bytes='{found['bytes']}' data-busy='{board.count('W')}' data-memory='{memory}' "
        f"data-connections='{found['connections']}'></div>\n"
    )
    yield "<div class=cards>\n"
    yield from _cards(found, board, memory, extended)
    yield "</div>\n<h2>Scoreboard</h2>\n"
    yield f"<pre class=board data-part=board>{escaped(board)}</pre>\n<p>"
    yield ", ".join(f"<code>{letter}</code> {text}" for letter, text in KEY)
    yield "</p>\n"
    for number, (heading, titles, rows) in enumerate(_tables(found, extended)):
        listed = list(rows)
        if listed:
            yield f"<div data-part=table{number}><h2>{heading}</h2>\n"
            yield _list(titles, listed) if plain else _table(titles, listed)
            yield "</div>\n"
        else:
            yield f"<div data-part=table{number}></div>\n"
    yield f"<script>\n{SCRIPT}</script>\n{END}"


def _head(found: dict[str, Any], software: str) -> str:
    load = " ".join(f"{value:.2f}" for value in found["load"])
    restarts, crashes = found["server"].get("restarts", 0), found["server"].get("crashes", 0)
    return escaped(
        f"{software}, up {duration(found['uptime'])}, load {load}, "
        f"{restarts} restart{'' if restarts == 1 else 's'}, {crashes} crashed worker{'' if crashes == 1 else 's'}"
    )


def _cards(found: dict[str, Any], board: str, memory: int, extended: bool) -> Iterator[str]:
    if extended:
        uptime = max(1.0, found["uptime"])
        average = found["seconds"] / found["requests"] * 1000 if found["requests"] else 0.0
        yield _card("rate", f"{found['requests'] / uptime:.1f}", "requests/s", "requests")
        yield _card("", f"{found['requests']}", "requests served")
        yield _card("", size(found["bytes"]), "sent", "bytes")
        yield _card("", f"{average:.1f} ms", "per request")
        yield _card("", f"{sum(cpu(found)) / uptime * 100:.1f} %", "of a processor")
    yield _card("", f"{board.count('W')} of {board.count('W') + board.count('_')}", "busy", "busy")
    yield _card("", size(memory), "resident memory", "memory")
    yield _card("", f"{found['connections']}", "connections", "connections")


def _card(ident: str, value: str, text: str, plot: str = "") -> str:
    mark = f" id={ident}" if ident else f" data-part='card {text}'"
    drawn = (
        f"<svg data-plot={plot} viewBox='0 0 100 30' preserveAspectRatio=none role=img aria-label='{text}'>"
        "<polyline points=''/></svg>"
        if plot
        else ""
    )
    return f"<div class=card><b{mark}>{escaped(value)}</b><span>{text}</span>{drawn}</div>\n"


def _tables(
    found: dict[str, Any], extended: bool
) -> Iterator[tuple[str, Sequence[tuple[str, str]], Iterable[Sequence[Cell]]]]:
    """The tables: heading, titles with the class of their columns, rows."""
    if extended:
        yield (
            "Interpreters",
            (
                ("Name", "name"), ("Kind", "short"), ("Live", "number"), ("Requests", "number"),
                ("Requests/s", "number"), ("Busy", "number"), ("CPU", "number"), ("Memory", "number"),
                ("5xx", "number"), ("Recycled", "number"), ("Crashed", "number"), ("Timeouts", "number"),
                ("Last error", ""),
            ),
            _interpreters(found),
        )  # fmt: skip
        yield (
            "Slowest requests that run",
            (("Seconds", "number"), ("Interpreter", ""), ("Worker", "number"), ("Request", "")),
            _slowest(found),
        )
    yield (
        "Workers",
        (
            ("Slot", "number"), ("Process", "number"), ("State", ""), ("Generation", "number"), ("Age", "number"),
            ("Requests", "number"), ("CPU", "number"), ("Memory", "number"), ("Connections", "number"),
        ),
        _workers(found),
    )  # fmt: skip
    yield ("Certificates", (("File", ""), ("Good for", "number")), _certificates(found))
    yield (
        "Certificates that could not be had",
        (("Domain", ""), ("Errors", "number"), ("Tried again in", "number"), ("Why", "")),
        _domains(found),
    )
    yield (
        "Members of balancers that are checked",
        (("Balancer", ""), ("Member", ""), ("State", ""), ("Since", "number")),
        _members(found),
    )


def _interpreters(found: dict[str, Any]) -> Iterator[Sequence[Cell]]:
    uptime = max(1.0, found["uptime"])
    for one in found["interpreters"]:
        fives = one["statuses"].get("5xx", 0)
        yield (
            (one["name"], "name"), (one["kind"], "short"), (str(one["live"]), "number"),
            (str(one["requests"]), "number"), (f"{one['requests'] / uptime:.2f}", "number"),
            (f"{one['seconds'] / uptime * 100:.1f} %", "number"), (f"{one['cpu']:.1f} s", "number"),
            (size(one["memory"]), "number"),
            (str(fives), "number bad" if fives else "number"), (str(one["recycled"]), "number"),
            (str(one["crashed"]), "number bad" if one["crashed"] else "number"),
            (str(one["timeouts"]), "number"), (_failed(one, found["now"]), "bad"),
        )  # fmt: skip


def _failed(one: dict[str, Any], now: float) -> str:
    return f"{duration(max(0.0, now - one['failed']))} ago: {one['error']}" if one["failed"] else ""


def _slowest(found: dict[str, Any]) -> Iterator[Sequence[Cell]]:
    running = [
        (one["running"], interp["name"], worker["slot"], one["line"])
        for worker in found["workers"]
        for interp in worker["interpreters"]
        for one in interp["waiting"] or ([interp] if interp["state"] == "W" else ())
    ]
    for seconds, name, slot, line in sorted(running, key=lambda one: -one[0])[:SLOWEST]:
        yield (f"{seconds:.1f}", "number busy"), (name, ""), (str(slot), "number"), (line, "")


def _workers(found: dict[str, Any]) -> Iterator[Sequence[Cell]]:
    for worker in found["workers"]:
        state = "W" if worker["state"] == "_" and worker["busy"] else worker["state"]
        connections = sum(interp["connections"] for interp in worker["interpreters"])
        yield (
            (str(worker["slot"]), "number"), (str(worker["pid"]), "number"),
            (dict(KEY).get(state, state), "busy" if state == "W" else ""), (str(worker["generation"]), "number"),
            (duration(max(0.0, found["now"] - worker["started"])), "number"), (str(worker["requests"]), "number"),
            (f"{worker['cpu']:.1f} s", "number"), (size(worker["memory"]), "number"), (str(connections), "number"),
        )  # fmt: skip


def _certificates(found: dict[str, Any]) -> Iterator[Sequence[Cell]]:
    for one in found["server"].get("certificates", ()):
        left = one["ends"] - found["now"]
        days = f"{left / 86400:.0f} days" if left > 0 else "ended"
        yield (one["file"], ""), (days, f"number {'good' if left > 14 * 86400 else 'bad'}")


def _domains(found: dict[str, Any]) -> Iterator[Sequence[Cell]]:
    for one in found["server"].get("domains", ()):
        left = duration(max(0.0, one["again"] - found["now"]))
        yield (one["name"], ""), (str(one["errors"]), "number bad"), (left, "number"), (one["why"], "bad")


def _members(found: dict[str, Any]) -> Iterator[Sequence[Cell]]:
    for one in found["server"].get("members", ()):
        state = ("has failed", "bad") if one["failed"] else ("good", "good")
        since = duration(max(0.0, found["now"] - one["since"])) if one["since"] else ""
        yield (one["balancer"], ""), (one["url"], ""), state, (since, "number")


def _table(titles: Sequence[tuple[str, str]], rows: Iterable[Sequence[Cell]]) -> str:
    head = "".join(f"<th class='{kind}'>{title}</th>" for title, kind in titles)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td class='{kind}' data-label='{title}'>{escaped(text)}</td>"
            for (text, kind), (title, _) in zip(row, titles, strict=True)
        )
        + "</tr>\n"
        for row in rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _list(titles: Sequence[tuple[str, str]], rows: Iterable[Sequence[Cell]]) -> str:
    return "".join(
        "<p>"
        + ", ".join(
            f"{title} <b>{escaped(text)}</b>" for (text, _), (title, _) in zip(row, titles, strict=True) if text
        )
        + "</p>\n"
        for row in rows
    )
