"""What workers pass on while the master has no descriptor left: that connection is lost, and the log says so."""

from __future__ import annotations

import os
import resource
import socket
from types import SimpleNamespace
from typing import Any, cast

from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.worker_messages import PASS
from mpserver.supervisor.fork import control_pair
from mpserver.supervisor.workers import Workers


def test_nobody_is_sent_a_connection_without_its_descriptor() -> None:
    told: list[str] = []
    passed: list[list[int]] = []
    events = SimpleNamespace(passed=lambda _worker, _data, fds: passed.append(fds))
    workers = Workers(cast(Any, None), Scoreboard.create(4), cast(Any, None), cast(Any, events), others_serve=False)
    ours, theirs = control_pair()
    log = SimpleNamespace(log=lambda _level, text: told.append(text))
    worker = SimpleNamespace(control=ours, slot=3, generation=SimpleNamespace(error_log=log))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ours, theirs:
        ours.setblocking(False)
        for _ in range(2):
            socket.send_fds(theirs, [PASS + b"\0\0\0\0message"], [0, 0])
        full = os.dup(0)
        os.close(full)
        resource.setrlimit(resource.RLIMIT_NOFILE, (full, hard))
        try:
            workers._listen(cast(Any, worker))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert os.dup(0) == full  # (nothing of them is left)
        os.close(full)
        assert not passed
        assert len(told) == 1
        assert "a connection that worker 3 passed on was lost" in told[0]
        socket.send_fds(theirs, [PASS + b"\0\0\0\0message"], [0])
        workers._listen(cast(Any, worker))
        assert len(passed) == 1
        os.close(passed[0][0])
