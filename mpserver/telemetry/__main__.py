"""The life of the process: ``mpserver.telemetry URL TOLD``, started by the master as the program of a log.

It reads messages (`mpserver.ipc.span_records`) from its standard input, and from the sockets that it gets there (each
worker and each zygote has one of its own), until nobody is left who could write any, and writes to the server's error
log by its standard error. TOLD is JSON: the account that it becomes, and what lines of that log look like
(`mpserver.supervisor.settings`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import sys
import threading
import time

from mpserver.api.error_log import CRIT, DEFAULT_LEVEL, ERROR, NOTICE, WARN, ErrorLog
from mpserver.api.error_style import Lines
from mpserver.errors import StartError
from mpserver.ipc import span_records
from mpserver.system.account import Account, assume
from mpserver.system.process import set_title
from mpserver.telemetry.queue import Waiting
from mpserver.telemetry.sockets import Sockets
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import ReadableSpan

    from mpserver.telemetry.spans import Maker

TITLE = "mpserver: traces"
#: So many requests may wait, and so many are sent together.
MOST, TOGETHER = 8192, 512
#: Spans wait so long for others, in seconds.
PAUSE = 0.5
#: How long a try may take, and the last one when the server ends, in seconds.
PATIENCE, LAST_PATIENCE = 10.0, 1.5
#: What becomes of a try.
TAKEN, REFUSED, AWAY = "taken", "refused", "away"
#: What the library says where it is because of what was to be sent: a status that is not worth another try, or no try.
_REFUSED = re.compile(r"code: \d|encode|max_request_size")
#: By how much others come first, for who waits for an answer waits for them; and how much further they do before spans
#: are made and sent: that takes more than to serve a small request, and is not to take its share where all are busy.
NICE, NICER = 5, 7
#: What is lost is told at once, and then as often as this, in seconds.
TOLD_AGAIN = 60.0


class Said(logging.Handler):
    """What the library says of its failures: the last of it is told with what was lost."""

    def __init__(self) -> None:
        super().__init__()
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.last = record.getMessage()


class Exporting(threading.Thread):
    """Sends what waits."""

    def __init__(self, url: str, waiting: Waiting, log: ErrorLog) -> None:
        super().__init__(name="export", daemon=True)
        self._url, self._waiting, self._log = url, waiting, log
        self._said = Said()
        self._lost = self._failed = 0
        #: How many are being sent.
        self._under_way = 0
        self._tell_at = 0.0

    def run(self) -> None:
        """Until nothing more comes and nothing waits."""
        try:
            self._run()
        except BaseException:  # (without it nothing is sent, or told, any more)
            import traceback

            self._log.log(CRIT, "spans can't be exported:\n" + traceback.format_exc(), module="tracing")
            os._exit(1)

    def _run(self) -> None:
        logger = logging.getLogger("opentelemetry")
        logger.addHandler(self._said)
        logger.propagate = False
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        from mpserver.telemetry.spans import Maker

        exporter, maker = OTLPSpanExporter(endpoint=self._url, timeout=PATIENCE), Maker()
        os.nice(NICER)  # (of this thread alone)
        while True:
            messages = self._waiting.take(TOGETHER, TOLD_AGAIN if self._tell_at == 0.0 else 1.0)
            if messages:
                self._waiting.pause(PAUSE, TOGETHER)
                messages += self._waiting.take(TOGETHER, 0.0)
            if messages:
                self._send(exporter, maker, messages)
            elif self._waiting.ended:
                self._tell()
                return
            self._tell_in_time()

    def _send(self, exporter: OTLPSpanExporter, maker: Maker, messages: list[bytes]) -> None:
        told: list[tuple[int, list[ReadableSpan]]] = []
        for message in messages:
            try:
                records = span_records.unpack(message)
                told.append((len(records), [span for record in records for span in maker.spans(record)]))
            except Exception as error:  # (whatever is wrong with it, others have told of theirs)
                self._log.log(ERROR, f"spans that an interpreter has told of can't be: {error}", module="tracing")
        if not told:
            return
        self._under_way = sum(requests for requests, _spans in told)
        lost = self._export(exporter, told)
        self._under_way = 0
        if lost:
            self._waiting.count_lost(lost)
            self._failed += 1
        elif self._failed:
            self._failed = 0
            self._tell_at = 0.0
            self._log.log(NOTICE, f"spans are exported to {self._url} again", module="tracing")

    def _export(self, exporter: OTLPSpanExporter, told: list[tuple[int, list[ReadableSpan]]]) -> int:
        """Send the spans of messages: together, or one by one where they are refused together.

        What is wrong with one message, or too much of it, is no reason to lose the others.

        :returns: of how many requests they can't be sent.
        """
        answer = self._try(exporter, told)
        if answer != REFUSED or len(told) == 1:
            return 0 if answer == TAKEN else sum(requests for requests, _spans in told)
        lost = 0
        for one in told:
            # (once there is no answer for one, there is none for those after it)
            answer = answer if answer == AWAY else self._try(exporter, [one])
            lost += 0 if answer == TAKEN else one[0]
        return lost

    def _try(self, exporter: OTLPSpanExporter, told: list[tuple[int, list[ReadableSpan]]]) -> str:
        """Send the spans of messages together. :returns: `TAKEN`, `REFUSED` or `AWAY`."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        try:
            if exporter.export([span for _requests, spans in told for span in spans]) is SpanExportResult.SUCCESS:
                return TAKEN
        except Exception as error:  # (of the library, or one below it)
            self._said.last = str(error)
            return AWAY if isinstance(error, OSError) else REFUSED
        return REFUSED if _REFUSED.search(self._said.last) else AWAY

    def give_up(self) -> None:
        """The server ends, and what is left can't be sent in time."""
        self._lost += self._under_way + self._waiting.left
        self._failed = self._failed or 1
        self._tell()

    def _tell_in_time(self) -> None:
        self._lost += self._waiting.take_lost()
        now = time.monotonic()
        if self._lost and now >= self._tell_at:
            self._tell()
            self._tell_at = now + TOLD_AGAIN

    def _tell(self) -> None:
        self._lost += self._waiting.take_lost()
        if self._lost:
            why = f"they can't be sent to {self._url}: {self._said.last}" if self._failed else "there were too many"
            self._log.log(WARN, f"the spans of {self._lost} requests were lost: {why}", module="tracing")
            self._lost = 0


def error_log(told: dict[str, object]) -> ErrorLog:
    """The server's error log, by what is told of it."""
    level, levels, style = told["level"], told["levels"], told["style"]
    assert isinstance(levels, dict)
    made = Lines(*style) if isinstance(style, list) else None
    return ErrorLog(2, level if isinstance(level, int) else DEFAULT_LEVEL, levels, made)


class Leaving(Exception):
    """The master starts another one, which has the error log that there is now."""


def _leave(*_: object) -> None:
    raise Leaving


def main(url: str, told: str) -> None:
    """Read and export until the server ends."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # (it ends when the last one who writes has)
    signal.signal(signal.SIGUSR1, _leave)
    facts = json.loads(told)
    log = error_log(facts)
    set_title(TITLE)
    os.nice(NICE)
    if facts["account"] is not None:
        try:
            assume(Account(*facts["account"]))
        except StartError as error:
            log.log(ERROR, str(error), module="tracing")
            sys.exit(1)
    waiting = Waiting(MOST)
    exporting = Exporting(url, waiting, log)
    exporting.start()
    with contextlib.suppress(Leaving):
        Sockets(waiting, log).read()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    waiting.end()
    exporting.join(LAST_PATIENCE)
    if exporting.is_alive():
        exporting.give_up()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
