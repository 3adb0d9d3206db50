"""The choice of the MPM, and the numbers of the worker MPM."""

from __future__ import annotations

from pathlib import Path

import pytest

from modules.scopes import Scope
from mpserver.cli import info
from mpserver.config.configuration import Configuration, load
from mpserver.errors import ConfigErrors
from mpserver.modules import mpm
from mpserver.modules.all import registry
from mpserver.phases.survey import finish


def read(folder: Path, text: str) -> Configuration:
    """The configuration of a text."""
    (folder / "httpd.conf").write_text(text)
    return load("httpd.conf", registry(), root=str(folder))


def faults(folder: Path, text: str) -> list[str]:
    """What is wrong with a text."""
    with pytest.raises(ConfigErrors) as raised:
        read(folder, text)
    return [str(error) for error in raised.value.errors]


@pytest.mark.parametrize("choice", ["MPM worker", "mpm Worker", "LoadModule mpm_worker_module modules/mod_worker.so"])
def test_worker_is_chosen(tmp_path: Path, choice: str) -> None:
    text = f"""
    {choice}
    <IfModule mpm_prefork_module>
        MinSpareServers 3
    </IfModule>
    <IfModule worker.c>
        ThreadsPerChild 7
    </IfModule>
    """
    configuration = read(tmp_path, text)
    assert mpm.is_threaded(configuration)
    assert mpm.limits_of(configuration).threads == 7
    again = finish(configuration)
    assert mpm.limits_of(again) == mpm.limits_of(configuration)


def test_prefork_without_a_choice(tmp_path: Path) -> None:
    configuration = read(tmp_path, "<IfModule mpm_worker_module>\nThreadsPerChild 7\n</IfModule>\nMinSpareServers 3\n")
    assert not mpm.is_threaded(configuration)
    assert mpm.limits_of(configuration).min_spare == 3


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("MPM winnt", "MPM must be prefork or worker or event, not 'winnt'"),
        ("MPM", "MPM takes one argument"),
        ("MPM worker\nMPM prefork", "More than one MPM loaded: mpm_worker_module and mpm_prefork_module"),
        ("MPM prefork\nLoadModule mpm_worker_module x", "More than one MPM loaded"),
        ("<VirtualHost *:80>\nMPM worker\n</VirtualHost>", "MPM cannot occur within <VirtualHost> section"),
        (
            "ThreadsPerChild 5",
            "it belongs to mpm_worker_module; choose that one by 'MPM worker', or put the line into",
        ),
        (
            "MPM worker\nMaxSpareServers 5",
            "it belongs to mpm_prefork_module; choose that one by 'MPM prefork'",
        ),
        ("MPM worker\nThreadsPerChild many", 'ThreadsPerChild "many" must be a whole number'),
        ("LoadModule mpm_winnt_module x", "Can't locate API module structure `mpm_winnt_module'"),
        ("MPM event\nAsyncRequestWorkerFactor two", "AsyncRequestWorkerFactor must be a number"),
    ],
)
def test_faults(tmp_path: Path, text: str, fault: str) -> None:
    found = faults(tmp_path, text)
    assert len(found) == 1
    assert fault in found[0]


def test_worker_without_numbers() -> None:
    limits = mpm.limits(Scope().server, True)
    assert limits == mpm.Limits(3, 75, 250, 16, 0, 16, 25, 64, ())


@pytest.mark.parametrize(
    ("lines", "workers", "threads", "warning"),
    [
        (
            ("ThreadsPerChild 100",),
            16,
            64,
            "ThreadsPerChild of 100 exceeds ThreadLimit of 64 threads, decreasing",
        ),
        (
            ("MaxRequestWorkers 10",),
            1,
            25,
            "MaxRequestWorkers of 10 is less than ThreadsPerChild of 25, increasing",
        ),
        (("MaxRequestWorkers 60",), 2, 25, "decreasing it to the nearest, 50, for 2 servers at most"),
        (
            ("MaxRequestWorkers 500",),
            16,
            25,
            "would require 20 servers and exceed ServerLimit of 16, decreasing",
        ),
    ],
)
def test_numbers_that_don_t_fit(lines: tuple[str, ...], workers: int, threads: int, warning: str) -> None:
    limits = mpm.limits(Scope().say(*lines).server, True)
    assert (limits.workers, limits.threads) == (workers, threads)
    assert warning in limits.warnings[0]


def test_spare_threads_leave_room_for_a_worker() -> None:
    limits = mpm.limits(Scope().say("MinSpareThreads 30", "MaxSpareThreads 1").server, True)
    assert (limits.min_spare, limits.max_spare) == (30, 55)


def test_what_the_command_tells() -> None:
    worker, prefork = registry().chosen(["mpm_worker_module"]), registry()
    assert "Server MPM:     worker\n  threaded:     yes (fixed thread count)\n" in info.settings(worker)
    assert 'DEFAULT_SERVER_LIMIT="16"' in info.settings(worker)
    assert "Server MPM:     prefork\n  threaded:     no\n" in info.settings(prefork)
    assert " mpm_worker_module (static)" in info.loaded(worker)
    assert "mpm_prefork_module" not in info.loaded(worker)
    assert "mpm_worker_module" not in info.loaded(prefork)
    for known in (worker, prefork):
        assert {"  prefork.c", "  worker.c"} <= set(info.built_in(known).splitlines())
