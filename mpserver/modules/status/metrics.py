"""The metrics: the report in the text format of Prometheus, or in that of OpenMetrics 1.0 where it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from mpserver.ipc.request_counts import BOUNDS
from mpserver.modules.status.auto import letters
from mpserver.modules.status.report import ENDS
from mpserver.typing import Any, NamedTuple

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_LETTERS = {"_": "idle", "W": "busy", "S": "starting", "G": "finishing"}
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Sample(NamedTuple):
    """A value with its labels; ``suffix`` is added to the family's name."""

    value: float
    labels: Mapping[str, object] = {}
    suffix: str = ""


class Family(NamedTuple):
    """Samples of one kind. Names of counters have no ``_total`` here."""

    name: str
    type: str
    help: str
    samples: Iterable[Sample]


def answer(found: dict[str, Any], accept: str) -> tuple[str, bytes]:
    """The media type and the text, for what the client accepts."""
    is_open = "application/openmetrics-text" in accept.lower()
    return (OPENMETRICS if is_open else PROMETHEUS), "".join(_lines(found, is_open)).encode("utf-8", "replace")


def _lines(found: dict[str, Any], is_open: bool) -> Iterator[str]:
    for family in _families(found):
        counter = family.type == "counter"
        name = f"mpserver_{family.name}"
        told = f"{name}_total" if counter and not is_open else name
        yield f"# HELP {told} {family.help}\n# TYPE {told} {family.type}\n"
        for sample in family.samples:
            labels = ",".join(f'{label}="{escaped(str(value))}"' for label, value in sample.labels.items())
            suffix = "_total" if counter else sample.suffix
            yield f"{name}{suffix}{f'{{{labels}}}' if labels else ''} {_number(sample.value)}\n"
    if is_open:
        yield "# EOF\n"


def escaped(text: str) -> str:
    """A text as the value of a label."""
    return text.translate(_ESCAPES)


def _number(value: float) -> str:
    # (whole numbers as such: those that are large would lose digits)
    return str(int(value)) if value == int(value) else repr(value)


def _host(one: dict[str, Any]) -> dict[str, object]:
    return {"vhost": one["host"], "interpreter": one["name"], "kind": one["kind"]}


def _whose(one: dict[str, Any]) -> dict[str, object]:
    return {"interpreter": one["name"], "kind": one["kind"]}


def _families(found: dict[str, Any]) -> Iterator[Family]:
    server, hosts, interpreters = found["server"], found["hosts"], found["interpreters"]
    yield Family("info", "gauge", "The server's version.", [Sample(1, {"version": found["version"]})])
    yield Family("start_time_seconds", "gauge", "When the server started.", [Sample(float(found["started"]))])
    yield Family(
        "requests", "counter", "Requests that were answered, by the class of their status.",
        (
            Sample(count, {**_host(one), "status": status})
            for one in hosts for status, count in one["statuses"].items() if count
        ),
    )  # fmt: skip
    yield Family(
        "sent_bytes", "counter", "Bytes of bodies that were sent.", (Sample(one["bytes"], _host(one)) for one in hosts)
    )
    yield Family(
        "request_duration_seconds", "histogram", "How long requests took.",
        (sample for one in hosts for sample in _histogram(one)),
    )  # fmt: skip
    yield Family(
        "busy_seconds", "counter", "Seconds that interpreters spent in requests that have ended.",
        (Sample(float(one["seconds"]), _whose(one)) for one in interpreters),
    )  # fmt: skip
    yield Family(
        "interpreters", "gauge", "Interpreters that live.", (Sample(one["live"], _whose(one)) for one in interpreters)
    )
    yield Family(
        "interpreter_starts", "counter", "Interpreters that were started.",
        (Sample(one["live"] + sum(one[word] for word in ENDS.values()), _whose(one)) for one in interpreters),
    )  # fmt: skip
    yield Family(
        "interpreter_ends", "counter", "Interpreters that ended, and why.",
        (Sample(one[word], {**_whose(one), "reason": word}) for one in interpreters for word in ENDS.values()),
    )  # fmt: skip
    yield Family(
        "request_timeouts", "counter", "Requests that PythonRequestTimeout ended.",
        (Sample(one["timeouts"], _whose(one)) for one in interpreters),
    )  # fmt: skip
    yield Family(
        "connections", "gauge", "Connections that interpreters have.",
        (Sample(one["connections"], _whose(one)) for one in interpreters),
    )  # fmt: skip
    yield from _processes(found)
    yield Family(
        "listen_queue", "gauge", "Connections that wait to be accepted.",
        (Sample(one["waiting"], {"address": one["address"]}) for one in server.get("listeners", ())),
    )  # fmt: skip
    for name, help_ in (
        ("restarts", "Restarts of the server, graceful ones included."),
        ("worker_starts", "Workers that were started."),
        ("worker_crashes", "Workers that ended by no will of the server."),
    ):
        yield Family(name, "counter", help_, [Sample(server.get(_FACTS[name], 0))])
    yield Family(
        "certificate_expiry_seconds", "gauge", "When certificates end, in seconds since the epoch.",
        (Sample(float(one["ends"]), {"file": one["file"]}) for one in server.get("certificates", ())),
    )  # fmt: skip
    yield Family(
        "certificate_errors", "gauge", "How often in a row a managed domain's certificate could not be had.",
        (Sample(one["errors"], {"domain": one["name"]}) for one in server.get("domains", ())),
    )  # fmt: skip
    yield Family(
        "balancer_member_up", "gauge", "Whether a member of a balancer passes its health checks.",
        (
            Sample(int(not one["failed"]), {"balancer": one["balancer"], "member": one["url"]})
            for one in server.get("members", ())
        ),
    )  # fmt: skip


#: By the name of a counter, what the master's facts call it.
_FACTS = {"restarts": "restarts", "worker_starts": "starts", "worker_crashes": "crashes"}


def _histogram(one: dict[str, Any]) -> Iterator[Sample]:
    labels, sums = _host(one), list(accumulate(one["times"]))
    for bound, count in zip((*map(repr, BOUNDS), "+Inf"), sums, strict=True):
        yield Sample(count, {**labels, "le": bound}, "_bucket")
    yield Sample(float(one["seconds"]), labels, "_sum")
    yield Sample(sums[-1], labels, "_count")


def _processes(found: dict[str, Any]) -> Iterator[Family]:
    board = letters(found)
    yield Family(
        "worker_threads", "gauge", "Threads of workers (under prefork: workers), by what they do.",
        (Sample(board.count(letter), {"state": word}) for letter, word in _LETTERS.items()),
    )  # fmt: skip
    labelled = [({"process": "worker", "worker": worker["slot"]}, worker) for worker in found["workers"]]
    labelled += [
        ({"process": "interpreter", "worker": worker["slot"], **_whose(interp), "pid": interp["pid"]}, interp)
        for worker in found["workers"] for interp in worker["interpreters"] if interp["kind"] == "process"
    ]  # fmt: skip
    yield Family(
        "process_resident_memory_bytes", "gauge", "Memory of processes; pages that they share count for each.",
        (Sample(one["memory"] or 0, labels) for labels, one in labelled),
    )  # fmt: skip
    yield Family(
        "process_cpu_seconds", "gauge", "CPU seconds of the processes that live now.",
        (Sample(float(one["cpu"] or 0), labels) for labels, one in labelled),
    )  # fmt: skip
