"""Measures configured modules of httpd beside Apache's own, on one core, with wrk on another; tells it in Markdown.

Each configuration is a file of tools/bench_site/modules, which this server and Apache include alike. What is told
first is the CPU time of all processes of a server for each request. What a proxy is before stands on wrk's core. The
full run takes about four minutes and writes docs/bench/modules.md.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benching.cases import APACHE, GRANIAN, GUNICORN, HTTPD, NGINX, TLS, Case, Setup
from benching.goals import OURS, Goal, judge
from benching.ground import MEGABYTE, TOOLS, Ground, certified
from benching.load import Load
from benching.machine import free_port, pinned, started
from benching.main import Suite, run
from benching.measure import Options, note, warm
from benching.peers import Peers
from benching.report import disturbed, goals, machine
from benching.results import Result, Results, save
from benching.servers import Server, mpserver

#: What a page of HTML is made of, so that it can be compressed about as well as those of people.
WORDS = """
    the of and to in that is was for as with his on be at by had not are but from or have an they which one you
    were all her she there would their we him been has when who will no more if out so up said what its about
    than into them can only other time new some could these two may first then do any like my now over such our
    man me even most made after also did many off before must well back through years much where your way down
    should because long each just state people those too mister how little good world make very year still see
    own work men day get here old life
"""
#: The folder that is listed has so many files.
FILES = 20
#: Each answer of the load comes from the same file; where it is a new connection each time, the client says so.
HELLO = "/static/hello.txt"
CLOSING = ("Connection: close",)
DOWN, UP = "1 GiB from behind a proxy", "1 GiB to behind a proxy"
GIGABYTE = 1 << 30
#: How often the memory of a server is looked at while a gigabyte passes, in seconds.
GLANCE = 0.02


def _httpd(
    name: str, conf: str, path: str = HELLO, size: int | None = 13, headers: tuple[str, ...] = (),
    fields: Mapping[str, str] = {}, connections: int = 16, also: tuple[str, ...] = (),
) -> Case:  # fmt: skip
    """A case with a configuration that Apache has, too."""
    return Case(
        name, path, size, dict.fromkeys((HTTPD, *also), path), Load(connections, headers), (Setup(conf=conf),), conf,
        bare=False, fields=fields,
    )  # fmt: skip


_TLS_PEERS = {APACHE: "/whole", GUNICORN: "/w", GRANIAN: "/w", NGINX: "/r"}


def _tls(name: str, load: Load = Load()) -> Case:  # noqa: B008 - it never changes
    """The smallest handler's answer over TLS, and without."""
    setups = (Setup("plain", conf="none"), Setup(TLS.upper(), conf=TLS))
    return Case(name, "/whole", 12, _TLS_PEERS, load, setups, TLS, bare=False)


CASES = (
    _httpd("static 13 B", "none")._replace(bare=True),
    *(
        _httpd(f"rewrite, {count} rule{'s' if count > 1 else ''}", f"rewrite-{count}", "/article/17")
        for count in (1, 10, 100)
    ),
    _httpd("headers", "headers", fields={"X-Frame-Options": "DENY"}),
    _httpd(
        "deflate 10 KB", "deflate", "/static/10k.html", None, ("Accept-Encoding: gzip",),
        {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"},
    ),
    _tls("TLS hello"),
    _tls("TLS, connection per request", Load(headers=CLOSING)),
    _httpd("proxy hello", "proxy", "/origin/", 12, also=(NGINX,)),
    _httpd("proxy 1 MB", "proxy", f"/origin/{MEGABYTE}", MEGABYTE, also=(NGINX,)),
    _httpd("autoindex, 20 files", "autoindex", "/static/folder/", None),
    # Few connections: each of them keeps a process of Apache busy for 50 ms.
    _httpd("password by bcrypt", "auth", headers=("Authorization: Basic YmVuY2g6YmVuY2gtd29yZA==",), connections=2),
)  # fmt: skip

_HTTPD = (("", HTTPD),)
GOALS = (
    Goal("TLS hello", 0.7, (("plain", OURS),), TLS.upper()),
    Goal("TLS hello", 2, (("", GUNICORN),), TLS.upper()),
    Goal("proxy hello", 0.7, _HTTPD),
    Goal("deflate 10 KB", 1.1, _HTTPD, measure="cpu", less=True),
    Goal("password by bcrypt", 0.1, _HTTPD, measure="cpu", less=True),
    Goal(DOWN, 16, measure="each", less=True, unit="MB more memory", scale=1e6),
    Goal(UP, 16, measure="each", less=True, unit="MB more memory", scale=1e6),
)


@contextlib.contextmanager
def furnished(grounds: Sequence[Ground], how: Options) -> Iterator[None]:
    """What the configurations need, while the block lasts: a certificate, files, a server behind the proxy."""
    port = free_port()
    certified(grounds)
    chosen = random.Random(1)  # noqa: S311 - the same page each time
    page = "<!DOCTYPE html>\n<p>" + " ".join(chosen.choices(WORDS.split(), k=MEGABYTE // 100))
    for ground in grounds:
        folder = ground.folder / "site" / "modules"
        written = {
            folder / "origin.conf": f"Define ORIGIN {port}\n".encode(),
            folder / "origin.nginx": f"upstream origin {{ server 127.0.0.1:{port}; keepalive 32; }}\n".encode(),
            ground.folder / "site" / "static" / "10k.html": page.encode()[:10_000],
        }  # fmt: skip
        (ground.folder / "site" / "static" / "folder").mkdir()
        for number in range(FILES):
            written[ground.folder / "site" / "static" / "folder" / f"file-{number}.txt"] = b"x" * 100 * number
        for path, content in written.items():
            path.write_bytes(content)
            path.chmod(0o644)
        with (ground.folder / "site" / "mime.types").open("a") as types:
            types.write("text/html html\n")
    command = [*pinned([how.client_core]), sys.executable, str(TOOLS / "benching" / "origin.py"), str(port)]
    with started(command, port, grounds[0].folder / "origin.log"):
        yield


def _pass(port: int, upload: bool) -> None:
    """Read a gigabyte from behind a proxy, or send one there. :raises OSError: it does not arrive."""
    asked = f"POST /origin/ HTTP/1.1\r\nContent-Length: {GIGABYTE}" if upload else f"GET /origin/{GIGABYTE} HTTP/1.1"
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        sock.sendall(f"{asked}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        piece = memoryview(bytearray(1 << 20))
        if upload:
            for _ in range(GIGABYTE // len(piece)):
                sock.sendall(piece)
        beginning, size = bytearray(), 0
        while got := sock.recv_into(piece):
            beginning += piece[: min(got, 1000 - len(beginning))]
            size += got
    head = bytes(beginning).partition(b"\r\n\r\n")[0] + b"\r\n"
    if not head.startswith(b"HTTP/1.1 200 ") or (
        b"\r\nTaken: %d\r\n" % GIGABYTE not in head if upload else size < GIGABYTE
    ):
        raise OSError(f"{size} bytes came back: {head!r}")


def _streamed(case: str, server: Server, upload: bool, core: int) -> Result:
    """A gigabyte through one server: how long it takes, and how much its memory grows meanwhile at most."""
    warm(f"http://127.0.0.1:{server.port}/origin/", 50)
    failed: list[OSError] = []

    def client() -> None:
        os.sched_setaffinity(0, [core])
        try:
            _pass(server.port, upload)
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=client)
    before = most = server.family.memory()
    cpu, begun = server.family.cpu(), time.monotonic()
    thread.start()
    while thread.is_alive():
        most = max(most, server.family.memory())
        thread.join(GLANCE)
    seconds = time.monotonic() - begun
    note(f"{case}: {server.name} {GIGABYTE / seconds / 1e6:,.0f} MB/s, {(most - before) / 1e6:.1f} MB more memory")
    for error in failed:
        note(f"{case}: {server.name}: {error}")
    return Result(
        case, "", server.name, rate=1 / seconds, p50=seconds * 1000, p99=seconds * 1000, errors=len(failed),
        cpu=(server.family.cpu() - cpu) * 1e6, memory=most, each=float(most - before),
    )  # fmt: skip


def streams(how: Options, grounds: Sequence[Ground], peers: Peers | None, cases: Sequence[str]) -> list[Result]:
    """A gigabyte through the proxy, each way."""
    rows = []
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(mpserver(kind, Setup(conf="proxy"), [how.server_core], grounds[0]))
            for kind in how.kinds
        ]
        found = [peers.get(name, "proxy") for name in (HTTPD, NGINX)] if peers is not None else []
        servers += [server for server in found if server is not None]
        for case in cases:
            rows += [_streamed(case, server, case == UP, how.client_core) for server in servers]
    return rows


def _beside(row: Result, results: Results, measure: str) -> str:
    """How many times a measure is Apache's in the same case; empty where there is none."""
    others = (results.row(row.case, "", name) for name in (HTTPD, APACHE))
    other = next((other for other in others if other is not None), None)
    if other is None or other is row or not getattr(other, measure):
        return ""
    return f"{getattr(row, measure) / getattr(other, measure):.2f}"


def table(results: Results) -> str:
    """All cases but those of a gigabyte."""
    lines = [
        "| case | server | CPU µs | x Apache | kernel µs | requests/s | x Apache | p50 ms | p99 ms | memory MB |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in results.rows:
        if row.case not in (DOWN, UP):
            rate = f"{row.rate:,.0f}" + (f" ({row.errors} errors)" if row.errors else "") + disturbed(row)
            figures = [
                f"{row.cpu:,.1f}", _beside(row, results, "cpu"), f"{row.kernel:,.1f}", rate,
                _beside(row, results, "rate"), f"{row.p50:.2f}", f"{row.p99:.2f}", f"{row.memory / 1e6:.1f}",
            ]  # fmt: skip
            lines.append(f"| {row.title} | {row.server} | " + " | ".join(figures) + " |")
    return "\n".join(lines)


def gigabytes(results: Results) -> str:
    """The cases of a gigabyte."""
    lines = [
        "| case | server | MB/s | CPU ms | x Apache | more memory at most, MB |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in results.rows:
        if row.case in (DOWN, UP):
            figures = [
                f"{row.rate * GIGABYTE / 1e6:,.0f}", f"{row.cpu / 1000:,.0f}", _beside(row, results, "cpu"),
                f"{(row.each or 0) / 1e6:.1f}" + (" (failed)" if row.errors else ""),
            ]  # fmt: skip
            lines.append(f"| {row.title} | {row.server} | " + " | ".join(figures) + " |")
    return "\n".join(lines)


HEAD = """\
Made by `tools/bench modules`, with the configurations in `tools/bench_site/modules`, which this server and Apache
(prefork) include alike. `x Apache` is the figure over Apache's in the same case: of CPU time less is better, of
requests/s more. `static 13 B` is the case without a module, and its file is what rules, headers and passwords lead to.
Over TLS the smallest handler answers, of mod_python at Apache and of WSGI at gunicorn and granian; it is TLS 1.3 with a
certificate on the curve P-256, and no client resumes a session. `plain` is the same without TLS.\
"""


def document(results: Results) -> str:
    """The whole page."""
    parts = [
        "# What modules cost", machine(results),
        HEAD,
        "## Figures to reach", goals(judge(results, GOALS)),
        "## All cases", table(results),
        "## Long bodies", gigabytes(results),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def write(results: Results, folder: Path) -> None:
    """Write the page and the figures."""
    save(results, folder / "modules.json")
    (folder / "modules.md").write_text(document(results))
    note(f"Written to {folder / 'modules.md'}")


SUITE = Suite(
    "tools/bench modules", __doc__ or "", CASES, GOALS, (5, 0.5, 0.5), write, furnished, {DOWN: streams, UP: streams}
)


def main(words: Sequence[str]) -> int:
    """Measure, tell, write, compare. :returns: the exit status."""
    return run(SUITE, words)
