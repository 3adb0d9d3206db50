"""Results: kept as JSON, compared with earlier ones."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benching.cases import BARE

FORMAT = 1
#: A round is quiet if a core lost no greater part of its time to the machine's host.
DISTURBED = 0.02


@dataclasses.dataclass(frozen=True)
class Result:
    """One server in one case and setup; the medians of its rounds.

    ``rate``: requests a second; ``p50``, ``p99``: ms; ``cpu``: µs for each request, ``kernel``: those of
    them in the kernel; ``memory``: bytes of all its processes; ``each``: bytes for each of what the setup has
    many of (connections, interpreters, or the whole of what a special case weighs), None where it has none;
    ``stolen``: the part of its time (0 to 1) that a core lost at most to the machine's host in a round that counts.
    """

    case: str
    setup: str
    server: str
    rate: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    errors: int = 0
    cpu: float = 0.0
    memory: int = 0
    each: float | None = None
    kernel: float = 0.0
    stolen: float = 0.0

    @property
    def title(self) -> str:
        """The case with its setup."""
        return f"{self.case}: {self.setup}" if self.setup else self.case


class Results(NamedTuple):
    """A run of the bench."""

    machine: Mapping[str, str]
    options: Mapping[str, Any]
    rows: tuple[Result, ...]

    def row(self, case: str, setup: str, server: str) -> Result | None:
        """One result; None if it isn't there."""
        wanted = (case, setup, server)
        return next((row for row in self.rows if (row.case, row.setup, row.server) == wanted), None)

    def bare(self, case: str) -> float | None:
        """The bare road's requests a second in a case, or the median of all where it took no turns in it."""
        rates = [row.rate for row in self.rows if row.server == BARE]
        here = [row.rate for row in self.rows if row.server == BARE and row.case == case]
        return statistics.median(here or rates) if rates else None


def save(results: Results, path: Path) -> None:
    """Write them as JSON."""
    content = {
        "format": FORMAT,
        "machine": dict(results.machine),
        "options": dict(results.options),
        "rows": [dataclasses.asdict(row) for row in results.rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def load(path: Path) -> Results:
    """Read what `save` wrote. :raises SystemExit: it can't be read, or is something else."""
    try:
        content = json.loads(path.read_text())
        if content["format"] != FORMAT:
            raise SystemExit(f"{path} was written by another version of tools/bench: run that one again")
        return Results(content["machine"], content["options"], tuple(Result(**row) for row in content["rows"]))
    except OSError as error:
        raise SystemExit(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{path} is no result of tools/bench: {error}") from None


class Change(NamedTuple):
    """What a case costs now and did then, in requests/s as a part of the bare road's.

    ``stolen``: the part of its time that a core lost to the machine's host meanwhile, now.
    """

    title: str
    server: str
    then: float
    now: float
    stolen: float = 0.0

    @property
    def factor(self) -> float:
        """Below 1: slower."""
        return self.now / self.then


def compare(then: Results, now: Results) -> Iterable[Change]:
    """How mpserver's speed, measured by the bare road's in the same run, has changed in each case of both."""
    for row in now.rows:
        before = then.row(row.case, row.setup, row.server)
        if not row.server.startswith("mpserver") or before is None or not row.rate or not before.rate:
            continue
        bare_now, bare_then = now.bare(row.case), then.bare(row.case)
        if bare_now and bare_then:
            yield Change(row.title, row.server, before.rate / bare_then, row.rate / bare_now, row.stolen)


def slower(changes: Iterable[Change], tolerance: float) -> list[Change]:
    """Those that lost more than the tolerance (0.1: a tenth), the worst first."""
    return sorted((change for change in changes if change.factor < 1 - tolerance), key=lambda change: change.factor)
