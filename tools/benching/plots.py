"""Results as pictures. Needs matplotlib (the extra ``bench``)."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benching.cases import APACHE, BARE, CASES
from benching.results import Result, Results

#: Cases whose setups grow in number.
GROWING = (
    "idle connections", "interpreters", "connections that change interpreters", "behind nginx",
    "many sessions in files", "many sessions, dbm", "virtual hosts", "virtual hosts in turns",
)  # fmt: skip
OURS = "#2b6cb0"
OTHERS = "#a0aec0"


def draw(results: Results, folder: Path) -> dict[str, str]:
    """Write the pictures that the results allow. :returns: titles by file name; none without matplotlib."""
    try:
        matplotlib: Any = importlib.import_module("matplotlib")
    except ModuleNotFoundError:
        return {}
    matplotlib.use("Agg")
    plot: Any = importlib.import_module("matplotlib.pyplot")
    made: dict[str, str] = {}
    hello = [row for row in results.rows if row.case in ("handler hello", "WSGI hello")]
    if hello:
        _bars(plot, hello, folder / "hello.png")
        made["hello.png"] = "Requests a second: the smallest answers"
    pairs = [(row, other) for row in _ours(results) if (other := results.row(row.case, "", APACHE)) is not None]
    if pairs:
        _ratios(plot, pairs, folder / "apache.png")
        made["apache.png"] = f"Times the requests a second of {APACHE}"
    if any(row.cpu for row in _ours(results)):
        _times(plot, results, folder / "time.png")
        made["time.png"] = "Where the time of a request goes: the kernel, and Python"
    if any(row.case in GROWING for row in results.rows):
        _growth(plot, results, folder / "growth.png")
        made["growth.png"] = "How the cost of a request grows"
    return made


def _ours(results: Results) -> list[Result]:
    """mpserver's result of each case without setups, of its first kind."""
    found: dict[str, Result] = {}
    for row in results.rows:
        if row.server.startswith("mpserver") and not row.setup and row.rate:
            found.setdefault(row.case, row)
    return list(found.values())


def _finish(plot: Any, figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plot.close(figure)


def _bars(plot: Any, rows: Sequence[Result], path: Path) -> None:
    rows = sorted(rows, key=lambda row: row.rate)
    figure, axes = plot.subplots(figsize=(8, 0.32 * len(rows) + 1))
    colours = [OURS if row.server.startswith("mpserver") else OTHERS for row in rows]
    names = [f"{row.server} - {row.case}" if row.server != BARE else f"{BARE} ({row.case})" for row in rows]
    axes.barh(names, [row.rate for row in rows], color=colours)
    axes.set_xlabel("requests/s on one core")
    _finish(plot, figure, path)


def _ratios(plot: Any, pairs: Sequence[tuple[Result, Result]], path: Path) -> None:
    figure, axes = plot.subplots(figsize=(8, 0.32 * len(pairs) + 1))
    pairs = pairs[::-1]
    axes.barh([row.case for row, _ in pairs], [row.rate / other.rate for row, other in pairs], color=OURS)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel(f"times {APACHE}")
    _finish(plot, figure, path)


def _times(plot: Any, results: Results, path: Path) -> None:
    """CPU time in the kernel and beyond it, the cheapest case on top; the bare road first."""
    rows = [row for row in _ours(results) if row.cpu]
    bare = next((row for row in results.rows if row.server == BARE and row.cpu), None)
    rows = ([bare] if bare is not None else []) + sorted(rows, key=lambda row: row.cpu)
    names = [BARE if row is bare else row.case for row in rows][::-1]
    kernel = [row.kernel for row in rows][::-1]
    figure, axes = plot.subplots(figsize=(8, 0.32 * len(rows) + 1))
    axes.barh(names, kernel, color=OTHERS, label="kernel")
    axes.barh(names, [row.cpu - row.kernel for row in rows][::-1], left=kernel, color=OURS, label="Python")
    axes.set_xlabel("µs of CPU for a request")
    axes.legend()
    _finish(plot, figure, path)


def _growth(plot: Any, results: Results, path: Path) -> None:
    figure, axes = plot.subplots(figsize=(8, 4))
    for case in (case for case in CASES if case.name in GROWING):
        titles = [setup.title for setup in case.setups if setup.title[:1].isdigit()]
        first = next((row.server for row in results.rows if row.case == case.name and row.setup), "")
        rows = [row for title in titles if (row := results.row(case.name, title, first)) is not None]
        if rows:
            numbers = [int(row.setup.split()[0].replace(",", "")) for row in rows]
            axes.plot(numbers, [row.rate / rows[0].rate for row in rows], marker="o", label=case.name)
    axes.set_xscale("symlog")
    axes.set_ylim(0, 1.15)
    axes.set_xlabel("how many")
    axes.set_ylabel("requests/s, of those with the fewest")
    axes.legend()
    _finish(plot, figure, path)
