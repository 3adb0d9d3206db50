"""What a zygote loads before it forks: the modules of its application, so that interpreters share them.

Which they are shows in the configuration: those of PythonInterpPreload, those of PythonImport for the
interpreter's name, and the handlers of every section whose requests run under that name. A module that fails
to load here is left to the interpreters, which report it with the request that wants it.
"""

from __future__ import annotations

import gc
import os
import threading
import time

from mpserver.api.loader import Loader
from mpserver.phases.facts import Wanted


def load(wanted: list[Wanted]) -> Loader:
    """A loader with these modules in it."""
    loader = Loader()
    now = time.time()
    for module, directory, path in wanted:
        try:
            if path is not None:
                loader.use_path(path)
            loader.load(module, directory, False, now)
        except BaseException:  # an application's module may raise anything
            continue
    loader.forget_faults()
    return loader


def preload(wanted: list[Wanted]) -> tuple[Loader | None, int]:
    """Load modules in this process, or stay as it is where they can't be loaded before a fork.

    A module that starts threads spoils a process for forking, and one may end the process. So a child tries, and
    goes on as the zygote; this process waits for it, and takes its place only if that did not come about.

    :returns: the loader for the interpreters (None: nothing is loaded here), and the wait status of the child
        that was the zygote in our place, -1 where we are it.
    """
    if not wanted:
        return None, -1
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        os.close(writer)
        loaded = os.read(reader, 1)
        os.close(reader)
        status = os.waitpid(pid, 0)[1]
        return None, status if loaded else -1
    os.close(reader)
    loader = load(wanted)
    if threading.active_count() > 1:
        os._exit(1)
    gc.collect()
    gc.freeze()  # pages of the zygote stay shared: no collection touches them
    os.write(writer, b"\0")
    os.close(writer)
    return loader, -1
