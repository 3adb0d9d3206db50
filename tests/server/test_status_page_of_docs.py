"""The examples of docs/status-and-metrics.md, as they stand there, and the table of metrics."""

from __future__ import annotations

import re
import socket

import pytest

from conftest import StartServer
from support.metrics import parse_prometheus
from support.pages import page
from support.server import Port, Server
from support.waiting import PATIENCE

PAGE = page("status-and-metrics.md")
EXAMPLES = "\n".join(re.findall(r"```apache\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> Server:
    """A server with all the examples; the port for the management is another one, for that of the page may be taken."""
    reserved = Port()
    try:
        return start_module_server(
            EXAMPLES.replace("127.0.0.1:9901", f"127.0.0.1:{reserved.number}"), mode="foreground"
        )
    finally:
        reserved.release()


def test_the_queries_of_the_page(server: Server) -> None:
    for query in re.findall(r"^\| `\?(\w+)", PAGE, re.MULTILINE):
        assert server.get(f"/server-status?{query}").status == 200
    assert server.get("/server-status").text.startswith("<!DOCTYPE html>")


def test_the_paths_of_the_page(server: Server) -> None:
    match = re.search(r"ManagementListen 127.0.0.1:(\d+)", server.conf.read_text())
    assert match is not None
    paths = re.findall(r"^\| `(/[\w.]+)`", PAGE, re.MULTILINE)
    assert len(paths) == 4
    for path in paths:
        with socket.create_connection(("127.0.0.1", int(match[1])), timeout=PATIENCE) as sock:
            sock.sendall(f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert sock.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_table_has_all_metrics_with_their_kinds(server: Server) -> None:
    server.get("/")
    found = {family.name: family.type for family in parse_prometheus(server.get("/metrics").text)}
    told: dict[str, str] = {}
    for names, kind in re.findall(r"^\| (`mpserver_.*?) \| (\w+) \|", PAGE, re.MULTILINE):
        told.update(dict.fromkeys((name.removesuffix("_total") for name in re.findall(r"`(\w+)`", names)), kind))
    assert found == told
