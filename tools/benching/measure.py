"""Runs the cases: starts what each needs, checks the answers, warms up, lets the servers take turns."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import statistics
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from benching import load as wrk
from benching.cases import NGINX, Case, Setup
from benching.ground import Ground
from benching.load import Load, Run
from benching.machine import Family, Stolen
from benching.peers import STARTERS, Peers, before, find_program
from benching.results import DISTURBED, Result
from benching.servers import Server, bare_road, idle_connections, mpserver

#: Sessions that a counter is kept in.
SESSIONS = 16
#: Seconds of CPU that the first request of a process of Apache takes at least.
FIRST_REQUEST = 0.05
#: How often all processes of a server are met at most.
ATTEMPTS = 10


class Options(NamedTuple):
    """How to measure; ``only``: what is in the names of the cases.

    ``quick``: some peers are left out, and no round is repeated.
    """

    rounds: int
    seconds: float
    warm_up: float
    server_core: int
    client_core: int
    kinds: tuple[str, ...]
    only: str
    quick: bool


class Target(NamedTuple):
    """One server in one case."""

    setup: str
    server: Server
    path: str
    size: int | None
    load: Load
    each: float | None = None
    status: int = 200
    fields: Mapping[str, str] = {}

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"{self.server.scheme}://127.0.0.1:{self.server.port}{self.path}"


def note(text: str) -> None:
    """Tell how it goes."""
    print(text, file=sys.stderr, flush=True)


class _Still(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: wrk doesn't, either."""

    def redirect_request(self, *_: object) -> None:
        return None


def trusting() -> ssl.SSLContext:
    """What takes whichever certificate comes: the bench made it, and may have it in another root."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def fetch(url: str, headers: Mapping[str, str] = {}) -> tuple[Mapping[str, str], bytes]:
    """One answer's headers and body. :raises OSError: none, a redirect or an error."""
    opener = urllib.request.build_opener(_Still, urllib.request.HTTPSHandler(context=trusting()))
    with opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=60) as response:  # noqa: S310 - a server of the bench
        return response.headers, response.read()


def wrong(target: Target) -> str | None:
    """What is wrong with a target's answer: None if it has the status and the size that it should."""
    wanted = ("Host: ", "Authorization: ")
    headers = dict(header.split(": ", 1) for header in target.load.headers if header.startswith(wanted))
    try:
        body = fetch(target.url, headers)[1]
    except urllib.error.HTTPError as error:
        error.close()
        return str(error)
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    if target.size is not None and len(body) != target.size:
        return f"{len(body)} bytes instead of {target.size}"
    return None


def otherwise(target: Target) -> str | None:
    """What the load as it is sent gets in place of the status and fields that it should: None if it gets these.

    A script's requests are not known here; wrk counts their refusals.
    """
    headers = dict(header.split(": ", 1) for header in target.load.headers)
    found: Mapping[str, str] = {}
    try:
        found, _body = fetch(target.url, headers)
        status = 200
    except urllib.error.HTTPError as error:
        error.close()
        status = error.code
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    if status != target.status:
        return f"status {status} instead of {target.status}"
    lacking = [f"{name}: {value}" for name, value in target.fields.items() if found.get(name) != value]
    return f"without {', '.join(lacking)}" if lacking else None


def fitted(load: Load, server: Server, url: str) -> Load:
    """The load with what this server told: its file's date, cookies of sessions of its own, its hosts."""
    words = " ".join((*load.headers, *load.arguments))
    values: dict[str, str] = {}
    if "{modified}" in words:
        values["modified"] = fetch(url)[0]["Last-Modified"]
    if "{hosts}" in words:
        values["hosts"] = str(server.folder / "hosts")
    if "{cookies}" in words:
        path = server.folder / f"cookies-{url.rpartition('/')[2]}"
        cookies = [fetch(url)[0].get("Set-Cookie", "").partition(";")[0] for _ in range(SESSIONS)]
        path.write_text("".join(f"{cookie}\n" for cookie in cookies))
        values["cookies"] = str(path)
    if not values:
        return load
    return load._replace(
        headers=tuple(text.format(**values) for text in load.headers),
        arguments=tuple(text.format(**values) for text in load.arguments),
    )


class Bench:
    """A run: the servers that stay from case to case, and the results."""

    def __init__(self, options: Options, ground: Ground, peers: Peers | None) -> None:
        self.options, self.ground, self.peers = options, ground, peers
        self.stack = contextlib.ExitStack()
        self.own: dict[str, Server] = {}
        #: Servers with a setup of their own, as long as the next case wants the same.
        self.set_up: dict[tuple[str, Setup], tuple[Server, contextlib.ExitStack]] = {}
        self.bare: Server | None = None
        self.missing: set[str] = set()
        #: What was wrong with answers of ours.
        self.failed: list[str] = []

    def __enter__(self) -> Bench:
        self.bare = self.stack.enter_context(bare_road([self.options.server_core], self.ground))
        return self

    def __exit__(self, *_: object) -> None:
        self._close_but(frozenset())
        self.stack.close()

    def run(self, cases: Sequence[Case]) -> list[Result]:
        """Measure cases, one after the other."""
        results = []
        for number, case in enumerate(cases):
            targets = [target for target in self._targets(case) if self._answers(case, target)]
            self._warm_up(targets)
            results += self._rounds(case, targets)
            self._close_but({setup.server() for after in cases[number + 1 : number + 2] for setup in after.setups})
        if self.missing:
            note(f"Not here, so not compared with: {', '.join(sorted(self.missing))}")
        return results

    def _close_but(self, wanted: Collection[Setup]) -> None:
        """End the servers with a setup that is not wanted any more."""
        for kind, setup in [key for key in self.set_up if key[1] not in wanted]:
            self.set_up.pop((kind, setup))[1].close()

    def _targets(self, case: Case) -> Iterable[Target]:
        """The servers of a case. A plain mpserver stays to the end, one with a setup while the next case wants it."""
        for kind in case.kinds or self.options.kinds:
            for setup in case.setups:
                if setup == Setup():
                    if kind not in self.own:
                        self.own[kind] = self.stack.enter_context(
                            mpserver(kind, setup, [self.options.server_core], self.ground)
                        )
                    yield self._target(case, setup, self.own[kind], case.path, case.size)
                elif not setup.front or self._front():
                    yield self._set_up(case, kind, setup)
                else:
                    self.missing.add(NGINX)
        if case.bare and self.bare is not None:
            # It answers to everything, so the case's load may be the plain one where that asks for something else.
            yield Target("", self.bare, "/", None, Load(connections=case.load.connections))
        if self.options.quick and not case.quick:
            return
        for name, path in case.peers.items():
            server = self.peers.get(name, case.form) if self.peers is not None else None
            if server is not None:
                path = case.given.get(name, path) if server.given else path
                yield self._target(case, Setup(), server, path, None)
            elif self.peers is not None:
                self.missing.add(name)

    def _target(self, case: Case, setup: Setup, server: Server, path: str, size: int | None) -> Target:
        load = setup.load or case.load
        return Target(setup.title, server, path, size, load, status=case.status, fields=case.fields)

    def _front(self) -> str | None:
        """The program that setups have before the server; None: it is not here."""
        return find_program(STARTERS[NGINX][0], self.ground, ())

    def _set_up(self, case: Case, kind: str, setup: Setup) -> Target:
        """An mpserver with a setup of its own; what it should have many of is weighed where it is new."""
        key = kind, setup.server()
        if key in self.set_up:
            return self._target(case, setup, self.set_up[key][0], case.path, case.size)
        cores = [self.options.server_core, *([self.options.client_core] if setup.both_cores else [])]
        stack = contextlib.ExitStack()
        server = stack.enter_context(mpserver(kind, setup, cores, self.ground))
        if setup.front and (program := self._front()):
            server = stack.enter_context(before(server, self.options.client_core, self.ground, program))
        self.set_up[key] = server, stack
        target = self._target(case, setup, server, case.path, case.size)
        warm(target.url, 200 + setup.sessions)
        weight = server.family.memory()
        many = 0
        if setup.idle:
            stack.enter_context(idle_connections(server, case.path, setup.idle))
            many = setup.idle
        if setup.own_interpreters:  # they are there when they had a request
            fetch(target.url, {"Host": "h0.test"})
            weight = server.family.memory()
            for number in range(1, setup.hosts):
                fetch(target.url, {"Host": f"h{number}.test"})
            many = (setup.most or setup.hosts) - 1
        grown = server.family.memory() - weight
        return target._replace(each=grown / many if many and case.weigh else None)

    def _answers(self, case: Case, target: Target) -> bool:
        return not self._fails(case, target, wrong(target))

    def _fails(self, case: Case, target: Target, fault: str | None) -> bool:
        """Whether a target is left out for a fault; one of ours makes the whole run fail."""
        if fault is None:
            return False
        text = f"{case.name}: {target.server.name} is left out: {fault}"
        note(text)
        if target.server.name.startswith("mpserver"):
            self.failed.append(text)
        return True

    def _warm_up(self, targets: Sequence[Target]) -> None:
        for target in targets:
            warm(target.url, 100)
            ready = target._replace(load=fitted(target.load, target.server, target.url))
            if target.server.name.startswith("Apache"):
                touch_all(target.server, target.path)
            if self.options.warm_up:
                self._wrk(ready, self.options.warm_up)

    def _wrk(self, target: Target, seconds: float) -> Run:
        return wrk.run(target.url, seconds, [self.options.client_core], target.load)

    def _rounds(self, case: Case, targets: Sequence[Target]) -> list[Result]:
        ready = [target._replace(load=fitted(target.load, target.server, target.url)) for target in targets]
        ready = [target for target in ready if not self._fails(case, target, otherwise(target))]
        runs: list[list[Run]] = [[] for _ in ready]
        rounds = self.options.rounds
        for number in range(rounds if self.options.quick else 2 * rounds):
            for target, of in zip(ready, runs, strict=True):
                if number < rounds or sum(run.stolen <= DISTURBED for run in of) < rounds:
                    of.append(self._round(case, target, number + 1))
        return [median(case.name, target, of, rounds) for target, of in zip(ready, runs, strict=True)]

    def _round(self, case: Case, target: Target, number: int) -> Run:
        family: Family = target.server.family
        stolen = Stolen([self.options.server_core, self.options.client_core])
        programs, kernel = family.times()
        run = self._wrk(target, self.options.seconds)
        then_programs, then_kernel = family.times()
        lost = stolen.share()
        each = 1e6 / max(1, run.number)
        inside = (then_kernel - kernel) * each
        setup = f", {target.setup}" if target.setup else ""
        taken = f", the host took {lost:.0%}" if lost > DISTURBED else ""
        note(f"{case.name}{setup}, round {number}: {target.server.name} {run.rate:,.0f}/s{taken}")
        return run._replace(cpu=(then_programs - programs) * each + inside, kernel=inside, stolen=lost)


def median(case: str, target: Target, runs: Sequence[Run], count: int) -> Result:
    """The medians of a target's quietest rounds, so many of them."""
    quiet = sorted(runs, key=lambda run: max(run.stolen, DISTURBED))[:count]
    return Result(
        case, target.setup, target.server.name,
        rate=statistics.median(run.rate for run in quiet),
        p50=statistics.median(run.p50 for run in quiet),
        p99=statistics.median(run.p99 for run in quiet),
        errors=sum(run.errors for run in runs),
        cpu=statistics.median(run.cpu for run in quiet),
        memory=target.server.family.memory(),
        each=target.each,
        kernel=statistics.median(run.kernel for run in quiet),
        stolen=max(run.stolen for run in quiet),
    )  # fmt: skip


def warm(url: str, requests: int) -> None:
    """Send some requests on one connection; what they answer is looked at elsewhere."""
    parts = urllib.request.Request(url)  # noqa: S310 - a server of the bench
    connection: http.client.HTTPConnection
    if parts.type == "https":
        connection = http.client.HTTPSConnection(parts.host, timeout=60, context=trusting())
    else:
        connection = http.client.HTTPConnection(parts.host, timeout=60)
    with contextlib.suppress(OSError, http.client.HTTPException):
        for _ in range(requests):
            connection.request("GET", parts.selector)
            connection.getresponse().read()
    connection.close()


def touch_all(server: Server, path: str) -> None:
    """Meet each process of a server that keeps one for each connection: its first request is a slow one."""
    for _ in range(ATTEMPTS):
        processes = len(server.family.members())
        before = server.family.cpu()
        _ask_all(server, path, processes - 1)
        if processes > 1 and server.family.cpu() - before < processes * FIRST_REQUEST / 4:
            return
        time.sleep(FIRST_REQUEST)


def _ask_all(server: Server, path: str, count: int) -> None:
    """One request on each of some connections that are open together."""
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
        address = ("127.0.0.1", server.port)
        connections = [stack.enter_context(socket.create_connection(address, 60)) for _ in range(count)]
        if server.scheme == "https":
            context = trusting()
            connections = [stack.enter_context(context.wrap_socket(connection)) for connection in connections]
        for connection in connections:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        for connection in connections:
            connection.recv(65536)
