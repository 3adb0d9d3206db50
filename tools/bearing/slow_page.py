"""Lets slow clients loose on servers, 200 of a sort at a time, and measures what usual ones see meanwhile.

Four usual clients ask an application twenty times a second each, on new connections, with 2 seconds of patience. The
servers run on one core, all clients on another. The full run takes some four minutes and writes its table into
docs/slow-clients.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from benching.ground import Ground
from benching.measure import note, trusting

from bearing.command import DOCS, chosen, grounds, machine, parser, whole
from bearing.servers import KINDS, Kind, Wish, launched, listens, placed, until
from bearing.slow import SORTS, Outcome, Sort, ask, measure

PAGE = DOCS / "slow-clients.md"
BEGIN, END = "<!-- tools/slow-clients writes from here -->\n", "<!-- to here -->\n"
#: Seconds in which each of a server's workers loads the application.
WARM_UP = 1.0
#: Seconds that a server has to answer, at its start and when slow clients have left.
TIME = 20
#: The row without slow clients.
ALONE = "nobody"

#: By row, by server: what usual clients saw.
Table = Mapping[str, Mapping[str, Outcome]]

ABOUT = """\
{count} slow clients of each sort at a time, and beside them four usual ones, which ask a WSGI application {rate}
times a second each on new connections: their times in milliseconds, the middle one and the 99th of a hundred
(p50 / p99). What had no answer within 2 seconds failed. Slow ones send or take a few bytes a second; what they send is
one header field, one byte or one chunk, what they read are 6 MB. *Sent away*: closed or answered by the server within
the measurement.

Made by `tools/slow-clients`, on one core for the server and one for all clients. mpserver and Apache have the same
configuration (`tools/bench_peers/bearing.conf`), with the numbers of Debian's Apache: at most 150 processes or threads,
so that 200 are more. The application runs in Apache's own processes (mod_wsgi), in gunicorn (2 workers of 4 threads)
behind nginx with its defaults, and in granian with 2 workers of 4 threads.

{machine}
"""


def table(rows: Table, count: int) -> str:
    """The outcomes as Markdown."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [f"| slow in | {' | '.join(names)} |", "| --- " * (len(names) + 1) + "|"]
    for sort, row in rows.items():
        cells = [row[name].cell(count) if name in row else "" for name in names]
        lines.append(f"| {sort} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def written(page: str, text: str) -> str:
    """The page with another table. :raises ValueError: it has no place for one."""
    before, begin, rest = page.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks the line {(END if begin else BEGIN).strip()}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def _server(
    kind: Kind, made: Sequence[Ground], folders: Sequence[str], tls: bool, sorts: Sequence[Sort], count: int,
    seconds: float,
) -> dict[str, Outcome]:  # fmt: skip
    """All sorts, one after the other, on one server."""
    place = placed(kind, made, folders)
    if place is None:
        note(f"Not here: {kind.name}")
        return {}
    context = trusting() if tls else None
    outcomes: dict[str, Outcome] = {}
    left = list(sorts)
    while left and place is not None:
        with launched(kind, place, Wish(tls=tls, core=min(os.sched_getaffinity(0)))) as running:
            if not listens(running) or until(lambda: ask(running.port, context, 5), TIME) is None:
                raise SystemExit(f"{kind.name} does not serve:\n{running.said()[-2000:]}")
            measure(running.port, Sort(ALONE, b"", tls=tls), 0, WARM_UP)
            healthy = True
            while left and healthy:
                sort = left.pop(0)
                slow = count if sort.name != ALONE else 0
                seen = measure(running.port, sort, slow, seconds)
                healthy = until(lambda: ask(running.port, context, 5), TIME) is not None
                outcomes[sort.name] = seen._replace(recovered=healthy)
                note(f"{sort.name}: {kind.name}: {outcomes[sort.name].cell(slow)}")
        place = placed(kind, made, folders)
    return outcomes


def main(words: Sequence[str]) -> int:
    """Measure, print the table and write it into the page. :returns: 1 where usual clients of ours had to wait."""
    options_of = parser("tools/slow-clients", __doc__ or "", KINDS)
    options_of.add_argument("--count", type=int, default=200, help="slow clients at a time (200)")
    options_of.add_argument("--seconds", type=float, default=1.5, help="of each measurement (1.5)")
    options = options_of.parse_args(words)
    rows = [Sort(ALONE, b""), *SORTS]
    sorts = [sort for sort in rows if options.only.lower() in sort.name.lower()]
    if options.list:
        print("\n".join(sort.name for sort in rows))
        return 0
    about = machine()
    cores = sorted(os.sched_getaffinity(0))
    folders = [folder for folder in options.peers_path.split(":") if folder]
    found: dict[str, dict[str, Outcome]] = {sort.name: {} for sort in sorts}
    with grounds(options) as made:
        os.sched_setaffinity(0, [cores[-1]])
        for kind in chosen(KINDS, options.servers):
            for tls in (False, True):
                of = [sort for sort in sorts if sort.tls == tls]
                outcomes = _server(kind, made, folders, tls, of, options.count, options.seconds) if of else {}
                for name, outcome in outcomes.items():
                    found[name][kind.name] = outcome
    text = ABOUT.format(count=options.count, rate=20, machine=about) + "\n" + table(found, options.count)
    print(f"\n{text}")
    if whole(options):
        _write(PAGE, text)
    ours = [
        outcome for row in found.values() for name, outcome in row.items() if name.startswith("mpserver")
    ]  # fmt: skip
    return 1 if any(outcome.failed or outcome.p99 >= 100 or not outcome.recovered for outcome in ours) else 0


def _write(page: Path, text: str) -> None:
    page.write_text(written(page.read_text(), text))
    note(f"Written to {page}")
