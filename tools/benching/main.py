"""Measures mpserver beside its peers on one core, with wrk on another; tells it in Markdown.

Every case warms up, then the servers take turns in each round, so that a busy minute of the machine
meets all of them; the medians of the rounds are told. Rounds in which the host of a virtual machine took
the cores away are repeated, up to as many again. The full run takes about 20 minutes and writes
docs/bench; --quick takes two minutes and prints.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from benching import plots, report
from benching.cases import CASES, FLASK, PORTS, Case
from benching.flask_workers import weigh
from benching.goals import FLASK_WORKERS, GOALS, Goal, judge
from benching.ground import TOOLS, Ground, prepared, soft_limit
from benching.machine import description
from benching.measure import Bench, Options, note
from benching.peers import Peers
from benching.results import Result, Results, compare, load, save, slower

#: Rounds, seconds of each, seconds of warm-up.
FULL = (9, 0.5, 1)
QUICK = (1, 0.4, 0)

#: Measures cases that are none of a load, by their names.
Extra = Callable[[Options, Sequence[Ground], Peers | None, Sequence[str]], list[Result]]


class Suite(NamedTuple):
    """What is measured together and told on a page.

    ``full``: rounds, seconds of each, seconds of warm-up where nothing else is asked for; ``write``: writes the page;
    ``furnished``: provides what the cases need while they are measured; ``extras``: by the name of a case.
    """

    prog: str
    about: str
    cases: Sequence[Case]
    goals: Sequence[Goal]
    full: tuple[int, float, float]
    write: Callable[[Results, Path], None]
    furnished: Callable[[Sequence[Ground], Options], contextlib.AbstractContextManager[None]]
    extras: Mapping[str, Extra]

    def names(self) -> list[str]:
        """Of all cases."""
        return [*(case.name for case in self.cases), *self.extras]


def peers_from(text: str) -> dict[str, int]:
    """Ports from ``granian=8104,nginx=8106``, over the defaults; port 0 leaves a peer out."""
    ports = dict(PORTS)
    known = {peer.lower().replace(" ", "-"): peer for peer in PORTS}
    for entry in filter(None, text.split(",")):
        name, equals, port = entry.partition("=")
        if not equals or name.lower().replace(" ", "-") not in known or not port.isdigit():
            raise SystemExit(f"--peers takes NAME=PORT,...; the names are {', '.join(known)}")
        ports[known[name.lower().replace(" ", "-")]] = int(port)
    return ports


def arguments(words: Sequence[str] | None = None, suite: Suite | None = None) -> argparse.Namespace:
    """The command line, of what requests cost unless another suite is named."""
    suite = suite or REQUESTS
    parser = argparse.ArgumentParser(
        prog=suite.prog, description=suite.about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="one round of 0.4 s each: a glance, not a measurement")
    add("--rounds", type=int, metavar="N")
    add("--seconds", type=float, help="of each run")
    add("--warm-up", type=float, metavar="SECONDS", help="before the first round")
    add("--server-core", type=int, default=0)
    add("--client-core", type=int, default=1)
    add("--kinds", default="own" if sys.version_info >= (3, 14) else "process", metavar="KIND,...")
    add("--only", default="", metavar="TEXT", help="only the cases with TEXT in their name")
    add("--list", action="store_true", help="name the cases")
    add("--no-peers", action="store_true")
    add(
        "--peers", default=os.environ.get("MPSERVER_PEERS", ""), metavar="NAME=PORT,...",
        help="where peers run that can't be started (also in the environment: MPSERVER_PEERS); 0: leave it out",
    )  # fmt: skip
    add(
        "--peers-root", default=os.environ.get("MPSERVER_PEERS_ROOT", ""), metavar="FOLDER", type=str,
        help="another root with peers installed in it, as debootstrap makes one (MPSERVER_PEERS_ROOT); for root only",
    )  # fmt: skip
    add(
        "--peers-path", default=os.environ.get("MPSERVER_PEERS_PATH", ""), metavar="FOLDER:...",
        help="more folders for programs in that root (MPSERVER_PEERS_PATH)",
    )  # fmt: skip
    add("--out", type=Path, metavar="FOLDER", help="write the page, the pictures and results.json there")
    add("--json", type=Path, metavar="FILE", help="write the results there, for --check")
    add(
        "--check",
        type=Path,
        metavar="FILE",
        help="fail if a case got slower relative to the bare road than in FILE",
    )
    add(
        "--tolerance",
        type=float,
        default=0.1,
        metavar="PART",
        help="how much slower is still equal (default 0.1)",
    )
    options = parser.parse_args(words)
    for name, value in zip(("rounds", "seconds", "warm_up"), QUICK if options.quick else suite.full, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.out is None and not options.quick and not options.only:
        options.out = TOOLS.parent / "docs" / "bench"
    if not {options.server_core, options.client_core} <= os.sched_getaffinity(0):
        parser.error("it needs two cores, one for the servers and one for wrk: --server-core, --client-core")
    if options.peers_root and os.geteuid() != 0:
        parser.error("--peers-root needs root's rights")
    return options


def measure(options: argparse.Namespace, suite: Suite) -> tuple[Results, list[str]]:
    """Run the cases that were asked for. :returns: the results, and which answers of ours were wrong."""
    how = Options(
        options.rounds, options.seconds, options.warm_up, options.server_core, options.client_core,
        tuple(options.kinds.split(",")), options.only, options.quick,
    )  # fmt: skip
    cases = [case for case in suite.cases if options.only.lower() in case.name.lower()]
    if find_spec("flask") is None and any(case.form == FLASK for case in cases):
        note("Flask is not installed (pip install --group bench), so its cases are left out")
        cases = [case for case in cases if case.form != FLASK]
    soft_limit()
    with contextlib.ExitStack() as stack:
        grounds = [stack.enter_context(prepared())]
        if options.peers_root and not options.no_peers:
            grounds.append(stack.enter_context(prepared(Path(options.peers_root))))
        stack.enter_context(suite.furnished(grounds, how))
        peers = None
        if not options.no_peers:
            folders = [folder for folder in options.peers_path.split(":") if folder]
            ports: Mapping[str, int] = peers_from(options.peers)
            peers = stack.enter_context(Peers(grounds, folders, ports, [options.server_core]))
        rows: list[Result] = []
        failed: list[str] = []
        if cases:
            bench = stack.enter_context(Bench(how, grounds[0], peers))
            rows += bench.run(cases)
            failed = bench.failed
        for extra in dict.fromkeys(suite.extras.values()):
            wanted = [name for name, of in suite.extras.items() if of is extra and options.only.lower() in name.lower()]
            rows += extra(how, grounds, peers, wanted) if wanted else []
    kept = {"rounds": options.rounds, "seconds": options.seconds, "quick": options.quick}
    return Results(description(), kept, tuple(rows)), failed


def run(suite: Suite, words: Sequence[str] | None = None) -> int:
    """Measure, tell, write, compare. :returns: the exit status: 1 for wrong answers or a slower case (--check)."""
    options = arguments(words, suite)
    if options.list:
        print("\n".join(suite.names()))
        return 0
    then = load(options.check) if options.check else None
    results, failed = measure(options, suite)
    failed += [
        f"{row.case}: {row.server}: {row.errors} errors"
        for row in results.rows if row.errors and row.server.startswith("mpserver")
    ]  # fmt: skip
    if not results.rows:
        told = "\n".join(failed)
        raise SystemExit(told or f"No case has {options.only!r} in its name, or can run: see {suite.prog} --list")
    print(f"\n{report.machine(results)}\n\n{report.table(results)}\n")
    if weighed := report.weights(results):
        print(f"{weighed}\n")
    if verdicts := judge(results, suite.goals):
        print(report.goals(verdicts))
    if options.json is not None:
        save(results, options.json)
    if options.out is not None:
        suite.write(results, options.out)
    if failed:
        print("\nNot what was to be measured:\n" + "\n".join(failed))
    if then is None:
        return 1 if failed else 0
    worse = slower(compare(then, results), options.tolerance)
    print("\n" + report.changes(worse, options.tolerance))
    return 1 if worse or failed else 0


def write(results: Results, folder: Path) -> None:
    """Write the page, its pictures and the figures."""
    save(results, folder / "results.json")
    pictures = plots.draw(results, folder)
    if not pictures:
        note("No pictures: matplotlib is not installed (pip install --group bench)")
    (folder / "README.md").write_text(report.document(results, pictures))
    note(f"Written to {folder}")


@contextlib.contextmanager
def _nothing_more(_grounds: Sequence[Ground], _how: Options) -> Iterator[None]:
    """The site is all that these cases need."""
    yield


def _weighed(how: Options, grounds: Sequence[Ground], _peers: Peers | None, _cases: Sequence[str]) -> list[Result]:
    return list(weigh(how, grounds[0]))


REQUESTS = Suite("tools/bench", __doc__ or "", CASES, GOALS, FULL, write, _nothing_more, {FLASK_WORKERS: _weighed})


def main(words: Sequence[str] | None = None) -> int:
    """What requests cost. :returns: the exit status."""
    return run(REQUESTS, words)
