"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benching.cases import APACHE, BARE, GRANIAN
from benching.goals import Verdict, judge
from benching.results import DISTURBED, Change, Result, Results

#: What ``each`` counts in, by case; the special ones weigh a whole.
EACH = {"idle connections": ("B for each connection", 1.0), "interpreters": ("MB for each interpreter", 1e6)}


def table(results: Results) -> str:
    """All results; ratios are requests/s over those of the named server in the same case."""
    columns = "case | server | requests/s | p50 ms | p99 ms | CPU µs | kernel µs | memory MB"
    lines = [
        f"| {columns} | x {BARE} | x {APACHE} | x {GRANIAN} |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in results.rows:
        if not row.rate:
            continue
        ratios = [_over(row, results, server) for server in (BARE, APACHE, GRANIAN)]
        rate = f"{row.rate:,.0f}" + (f" ({row.errors} errors)" if row.errors else "")
        rate += disturbed(row)
        times = [f"{row.p50:.2f}", f"{row.p99:.2f}", f"{row.cpu:.1f}", f"{row.kernel:.1f}"]
        figures = [rate, *times, f"{row.memory / 1e6:.1f}", *ratios]
        lines.append(f"| {row.title} | {row.server} | " + " | ".join(figures) + " |")
    return "\n".join(lines)


def disturbed(row: Result) -> str:
    """What is said behind a rate if the host took much of the time."""
    return f" (lost {row.stolen:.0%})" if row.stolen > DISTURBED else ""


def _over(row: Result, results: Results, server: str) -> str:
    other = results.row(row.case, "", server)
    return f"{row.rate / other.rate:.2f}" if other is not None and other.rate and other is not row else ""


def weights(results: Results) -> str:
    """What one more connection or interpreter weighs; empty if that was not measured."""
    lines = []
    for row in results.rows:
        if row.each is not None:
            words, scale = EACH.get(row.case, ("MB in all", 1e6))
            lines.append(f"- {row.title}, {row.server}: {row.each / scale:,.2f} {words}")
    return "\n".join(lines)


def goals(verdicts: Iterable[Verdict]) -> str:
    """What should be reached, and whether it is."""
    answers = {True: "reached", False: "**not reached**", None: "not measured"}
    lines = ["| case | at least | figure | |", "| --- | --- | ---: | --- |"]
    for verdict in verdicts:
        title = verdict.goal.case + (f": {verdict.goal.setup}" if verdict.goal.setup else "")
        figure = "" if verdict.value is None else f"{verdict.value:.2f}"
        lines.append(f"| {title} | {verdict.text()} | {figure} | {answers[verdict.reached]} |")
    return "\n".join(lines)


def machine(results: Results) -> str:
    """The machine and how it was measured."""
    about, options = results.machine, results.options
    return (
        f"{about['processor']}, {about['cores']} cores, {about['memory']}, {about['system']},"
        f" Python {about['Python']}.\n"
        f"{options['rounds']} rounds of {options['seconds']:g} s in turns, one core for the server and one for wrk;"
        " 16 connections unless the case says otherwise; medians.\n"
        f"{_quiet(results)}\n"
        "CPU: µs of all processes of the server for each request; kernel: those of them in system calls.\n"
        "Memory: their proportional shares."
    )


def _quiet(results: Results) -> str:
    """What the host of the machine did to the figures."""
    again = "" if results.options["quick"] else " Rounds that lose more are repeated, and the quietest count."
    lost = sum(row.stolen > DISTURBED for row in results.rows)
    count = f"{lost} of {len(results.rows)} figures" if lost else "None"
    return (
        "A virtual machine loses time to its host; in a quiet round no core loses more than"
        f" {DISTURBED:.0%} of its time.{again} {count} lost more{': how much stands beside the rate' if lost else ''}."
    )


def document(results: Results, pictures: Mapping[str, str]) -> str:
    """The whole page; pictures: their titles by file name."""
    parts = [
        "# What requests cost", machine(results),
        ("Made by `tools/bench`, which starts the peers with the configurations in `tools/bench_peers`. Access logs are"
         " off everywhere but in the case that has them on."),
        "## Figures to reach", goals(judge(results)),
        *(f"![{title}]({name})" for name, title in pictures.items()),
        "## All cases", table(results),
    ]  # fmt: skip
    if weighed := weights(results):
        parts += ["## Memory of one more", weighed]
    return "\n\n".join(parts) + "\n"


def changes(worse: Iterable[Change], tolerance: float) -> str:
    """Which cases got slower."""
    lines = [
        f"{change.title}, {change.server}: {change.now:.3f} of the bare road, was {change.then:.3f}"
        f" ({(change.factor - 1) * 100:+.0f}%)"
        + (f", but the host took {change.stolen:.0%} of a core meanwhile" if change.stolen > DISTURBED else "")
        for change in worse
    ]
    if not lines:
        return f"No case lost more than {tolerance * 100:.0f}% against the bare road."
    return "Slower than then, relative to the bare road:\n" + "\n".join(lines)
