"""A real nginx before several servers, with a folder and a port of its own."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.server import Port, Server
from support.waiting import PATIENCE, wait_for

PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

#: A request that reached a server is not sent to another one, whatever becomes of it: one that does not listen
#: got none.
CONF = """\
daemon off;
worker_processes 1;
pid {root}/nginx.pid;
error_log {root}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi;
    scgi_temp_path {root}/scgi;
    upstream site {{
{servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://site;
            proxy_set_header Host $host;
            proxy_next_upstream error timeout;
            proxy_read_timeout {patience};
        }}
    }}
}}
"""


class Nginx:
    """An nginx that shares requests out among servers, in turn."""

    def __init__(self, root: Path, servers: list[Server], others: Sequence[str] = ()) -> None:
        """``others``: what is more, as nginx has it (``unix:FILE``)."""
        if PROGRAM is None:
            pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)")
        root.mkdir(parents=True)
        self.root = root
        self.reserved = Port()
        self.port = self.reserved.number
        self.process: subprocess.Popen[bytes] | None = None
        addresses = [*(f"127.0.0.1:{server.port}" for server in servers), *others]
        upstream = "\n".join(f"        server {address} max_fails=0;" for address in addresses)
        (root / "nginx.conf").write_text(
            CONF.format(root=root, port=self.port, servers=upstream, patience=int(PATIENCE))
        )

    def __enter__(self) -> Nginx:
        assert PROGRAM is not None
        self.process = subprocess.Popen(
            [PROGRAM, "-p", str(self.root), "-c", "nginx.conf", "-e", str(self.root / "error.log"),
             *(["-g", "user root;"] if os.geteuid() == 0 else [])],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for((self.root / "nginx.pid").exists, "nginx to start")
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.terminate()  # it ends its workers first; killed, it would leave them
            self.process.wait(PATIENCE)
        self.reserved.release()

    def post(self, path: str, headers: dict[str, str]) -> tuple[int, str]:
        """One POST on a connection of its own: status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("POST", path, b"", headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()
