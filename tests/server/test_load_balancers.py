"""The configurations of conf/fronts: servers behind a load balancer are replaced one by one, and no request fails.

The front ends run with those very files, but for addresses and times. Traefik, which neither Debian nor PyPI has, does
not run: its files are only read.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from conftest import StartServer
from support.load import load
from support.processes import PROJECT
from support.server import BACKENDS, Port, Server, listens
from support.waiting import PATIENCE, wait_for

FRONTS = PROJECT / "conf" / "fronts"

APP = """
from mod_python import apache


def handler(req):
    req.read()
    text = "%s %s" % (req.get_options()["name"], req.useragent_ip)
    req.set_content_length(len(text))
    req.write(text)
    return apache.OK
"""

CONF = """
PythonPath "sys.path+['${WWW}']"
SetHandler mod_python
PythonHandler app
PythonOption name ${NAME}
"""

#: Seconds between two requests of a client: a server takes seconds to end, and others want the machine meanwhile.
PAUSE = 0.01
#: The addresses of the servers: those of the files, and those of this machine.
ADDRESSES = {"10.0.0.11": "127.0.0.11", "10.0.0.12": "127.0.0.12"}
#: That of another one, which is added to the files as the last one stands there; and what they are all called.
THIRD = "127.0.0.13"
NAMES = ("one", "two", "three")

_NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 128; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/nginx.conf;
}}
"""
_CADDY = "{{\n\tadmin off\n\tstorage file_system {folder}\n}}\nimport {folder}/Caddyfile\n"


class Kind(NamedTuple):
    """A front end: its file, the words that start it, what goes around the file, and what is replaced in it."""

    file: str
    words: tuple[str, ...]
    around: str
    replaced: Mapping[str, str]
    #: The package of Debian.
    package: str
    #: Whether the servers hear of clients by the PROXY protocol.
    by_protocol: bool = False
    #: How many servers are behind it, of which the file names two.
    servers: int = 2


KINDS = {
    "haproxy": Kind(
        "haproxy.cfg", ("haproxy", "-db", "-f", "{folder}/haproxy.cfg"), "",
        {"bind :80": "bind 127.0.0.1:{port}", "inter 1s": "inter 200ms"}, "haproxy", by_protocol=True, servers=3,
    ),
    "nginx": Kind(
        "nginx.conf", ("nginx", "-p", "{folder}", "-e", "{folder}/error.log", "-c", "{folder}/around"), _NGINX,
        {"listen 80;": "listen 127.0.0.1:{port};", "keepalive_timeout 60s": "keepalive_timeout 1s"}, "nginx-light",
    ),
    "caddy": Kind(
        "Caddyfile", ("caddy", "run", "--adapter", "caddyfile", "--config", "{folder}/around"), _CADDY,
        {
            ":80 {{": "http://127.0.0.1:{port} {{",
            "health_interval 1s": "health_interval 200ms",
            "keepalive 60s": "keepalive 1s",
        },
        "caddy",
    ),
}  # fmt: skip


class Balancer(NamedTuple):
    """A running front end, and the servers behind it."""

    port: int
    servers: Sequence[Server]
    management: int


def changed(text: str, values: Mapping[str, str]) -> str:
    """A text with some words replaced, each of which has to be there."""
    for word, other in values.items():
        assert word in text, word
        text = text.replace(word, other)
    return text


@contextlib.contextmanager
def running(kind: Kind, folder: Path, port: int, values: Mapping[str, str]) -> Iterator[None]:
    """A front end, while the block lasts; skips where it is not installed."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
    program = shutil.which(kind.words[0], path=path)
    if program is None:
        pytest.skip(f"{kind.words[0]} is not installed (Debian: apt-get install {kind.package})")
    folder.mkdir()
    own = {word.format(): other.format(port=port) for word, other in kind.replaced.items()}
    text = (FRONTS / kind.file).read_text()
    if kind.servers > 2:
        second = next(line for line in text.splitlines() if "10.0.0.12" in line)
        text = changed(text, {second: f"{second}\n{changed(second, {'two': 'three', '10.0.0.12': THIRD})}"})
        values = {**values, f"{THIRD}:8080": values["10.0.0.12:8080"].replace(ADDRESSES["10.0.0.12"], THIRD)}
    (folder / kind.file).write_text(changed(text, {**own, **values}))
    (folder / "around").write_text(kind.around.format(folder=folder))
    if os.geteuid() == 0 and kind.words[0] == "nginx":
        (folder / "around").write_text("user root;\n" + kind.around.format(folder=folder))
    words = [program, *(word.format(folder=folder) for word in kind.words[1:])]
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
    try:
        wait_for(lambda: listens(port) or process.poll() is not None, "the front end to listen")
        assert process.poll() is None, (folder / "said").read_text()
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture(params=KINDS)
def balancer(request: pytest.FixtureRequest, start_server: StartServer, tmp_path: Path) -> Iterator[Balancer]:
    kind = KINDS[request.param]
    with contextlib.ExitStack() as stack:
        front, back, management = (Port() for _ in range(3))
        for port in (front, back, management):
            stack.callback(port.release)
        values = {f"{said}:8080": f"{own}:{back.number}" for said, own in ADDRESSES.items()}
        if kind.file != "nginx.conf":
            values["9901"] = str(management.number)
        stack.enter_context(running(kind, tmp_path / "front", front.number, values))
        servers = []
        for name, address in list(zip(NAMES, (*ADDRESSES.values(), THIRD), strict=True))[: kind.servers]:
            text = (FRONTS / "mpserver.conf").read_text()
            if kind.by_protocol:
                text = re.sub(r"(?m)^RemoteIP.*$", "", text)
                text = changed(text, {"#RemoteIPProxyProtocol": "RemoteIPProxyProtocol"})
            else:
                text = changed(text, {"10.0.0.1\n": "127.0.0.1\n"})
            text = changed(
                text,
                {
                    "10.0.0.11:8080": f"{address}:{back.number}",
                    "10.0.0.11:9901": f"{address}:{management.number}",
                    "ShutdownDelay 10": "ShutdownDelay 1500ms",
                },
            )
            servers.append(
                start_server(
                    text + CONF, {"app.py": APP}, mode="foreground", backend=BACKENDS[0], variables={"NAME": name}
                )
            )
        yield Balancer(front.number, servers, management.number)


def answering(balancer: Balancer) -> str:
    """Who answers a client, and who that client is."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", balancer.port, timeout=PATIENCE, source_address=("127.0.0.5", 0)
    )
    with contextlib.closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().read().decode()


def test_servers_are_replaced_one_after_the_other(balancer: Balancer) -> None:
    names = NAMES[: len(balancer.servers)]
    for name in names:
        wait_for(lambda name=name: answering(balancer) == f"{name} 127.0.0.5", f"server {name} to be asked")  # type: ignore[misc]
    with (
        load(balancer, "/", clients=2, pause=PAUSE) as new,
        load(balancer, "/", clients=2, pause=PAUSE, keep_alive=True) as kept,
        load(balancer, "/", clients=1, pause=PAUSE, keep_alive=True, body=b"x" * 1000) as posted,
    ):
        for name, server in zip(names, balancer.servers, strict=True):
            server.stop()  # (SIGTERM)
            for state in (new, kept, posted):
                state.more(10)
            server.start()
            wait_for(lambda name=name: answering(balancer).startswith(name), f"server {name} to be asked")  # type: ignore[misc]
    assert new.failures + kept.failures + posted.failures == []


def read(name: str) -> Any:
    """A file of YAML."""
    return yaml.safe_load((FRONTS / name).read_text())


def test_the_files_for_traefik_fit_together() -> None:
    own, site = read("traefik.yml"), read("traefik-site.yml")["http"]
    router, service = site["routers"]["site"], site["services"]["site"]["loadBalancer"]
    assert set(router["entryPoints"]) <= set(own["entryPoints"])
    assert own["providers"]["file"]["filename"].endswith("/traefik-site.yml")
    assert router["service"] in site["services"]
    assert set(router["middlewares"]) <= set(site["middlewares"])
    assert service["serversTransport"] in site["serversTransports"]
    assert [server["url"] for server in service["servers"]] == [f"http://{address}:8080" for address in ADDRESSES]
    assert (service["healthCheck"]["path"], service["healthCheck"]["port"]) == ("/readyz", 9901)
