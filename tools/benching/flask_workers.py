"""What Flask in eight workers weighs beyond one Flask, in interpreters that are processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil

from benching import load
from benching.cases import FLASK_PATH, Setup
from benching.goals import FLASK_WORKERS
from benching.ground import Ground
from benching.load import Load
from benching.measure import Options, note
from benching.results import Result
from benching.servers import mpserver

WORKERS = 8


def one_flask(ground: Ground) -> int:
    """Bytes of a Python that has the application loaded, and nothing else."""
    code = "import wsgi_flask, sys; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ground.folder / "site" / "handlers",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdin is not None
        loaded = process.stdout.readline() == b"ready\n"
        weight: int = psutil.Process(process.pid).memory_full_info().pss if loaded else 0
        process.stdin.close()
    return weight


def weigh(options: Options, ground: Ground) -> Iterator[Result]:
    """The result, if Flask is installed; ``each``: all processes of the server less one Flask, in bytes."""
    alone = one_flask(ground)
    if not alone:
        note(f"{FLASK_WORKERS}: left out, Flask is not installed (pip install --group bench)")
        return
    # all of them have it from the start: a load of one core may reach a few of them only
    setup = Setup(imports="wsgi_flask", workers=WORKERS)
    with mpserver("process", setup, [options.server_core], ground) as server:
        url = f"http://127.0.0.1:{server.port}{FLASK_PATH}"
        run = load.run(url, max(2, options.seconds), [options.client_core], Load(connections=8 * WORKERS))
        memory = server.family.memory()
        count = len(server.family.members())
    note(f"{FLASK_WORKERS}: {count} processes hold {memory / 1e6:.1f} MB, one Flask {alone / 1e6:.1f} MB")
    yield Result(
        FLASK_WORKERS,
        "",
        server.name,
        run.rate,
        run.p50,
        run.p99,
        run.errors,
        memory=memory,
        each=memory - alone,
    )
