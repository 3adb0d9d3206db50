"""Real front ends before a server, each of which writes a line for every request that it sees: nginx, HAProxy, Apache.

They are looked for on PATH. MPSERVER_PEERS_ROOT names a folder with an installation of its own (debootstrap) that they
are run in, by root, where they are not there.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from support.server import Port, listens
from support.waiting import PATIENCE, wait_for

_NGINX = """\
daemon off;
worker_processes 1;
pid {inside}/nginx.pid;
error_log {inside}/error.log;
events {{ worker_connections 128; }}
http {{
    log_format seen '- $request_method $request_uri';
    access_log {inside}/seen.log seen;
    client_body_temp_path {inside}/body;
    proxy_temp_path {inside}/proxy;
    fastcgi_temp_path {inside}/fastcgi;
    uwsgi_temp_path {inside}/uwsgi;
    scgi_temp_path {inside}/scgi;
    upstream back {{
        server 127.0.0.1:{back};
        keepalive 1;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_request_buffering off;
            proxy_next_upstream off;
        }}
    }}
}}
"""

_HAPROXY = """\
global
    log stdout len 16384 format raw local0
defaults
    mode http
    log global
    log-format "%rt/%[rand] %r"
    timeout connect 5s
    timeout client 5s
    timeout server 5s
    retries 0
    http-reuse always
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server only 127.0.0.1:{back}
"""

_APACHE = """\
ServerRoot {inside}
PidFile {inside}/httpd.pid
ErrorLog {inside}/error.log
Mutex fcntl:{inside}
Listen 127.0.0.1:{port}
ServerName localhost
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
<IfModule !log_config_module>
    LoadModule log_config_module {modules}/mod_log_config.so
</IfModule>
<IfModule !unixd_module>
    LoadModule unixd_module {modules}/mod_unixd.so
</IfModule>
User #65534
Group #65534
StartServers 1
MaxRequestWorkers 1
LogFormat "- %r" seen
CustomLog {inside}/seen.log seen
ProxyPreserveHost On
AllowEncodedSlashes NoDecode
ProxyPass / http://127.0.0.1:{back}/ nocanon
"""


#: The scheme and host of a target, and characters that are escaped.
_absolute = re.compile(r"(?i)\A[a-z]+:(?://[^/?]*)?")
_escaped = re.compile(r"""\\x[0-9A-Fa-f]{2}|\\["\\]|#[0-9A-F]{2}|["\\#]|[^ -~]""")


class Kind(NamedTuple):
    """A front end: its program, names and all, its configuration, and the words that start it."""

    programs: tuple[str, ...]
    conf: str
    words: tuple[str, ...]
    #: Whether what it saw goes to its standard output, and not to seen.log.
    tells: bool = False


#: By their names.
KINDS: Mapping[str, Kind] = {
    "nginx": Kind(("nginx",), _NGINX, ("-p", "{inside}", "-e", "{inside}/error.log", "-c", "{inside}/conf")),
    "haproxy": Kind(("haproxy",), _HAPROXY, ("-db", "-f", "{inside}/conf"), tells=True),
    "apache": Kind(("apache2", "httpd"), _APACHE, ("-f", "{inside}/conf", "-DFOREGROUND")),
}

_MODULES = ("usr/lib/apache2/modules", "usr/lib64/httpd/modules", "usr/local/apache2/modules")
_FOLDERS = ("usr/sbin", "usr/local/sbin", "usr/bin", "usr/local/apache2/bin")


class Front(NamedTuple):
    """A running front end."""

    port: int
    log: Path

    def seen(self) -> Counter[str]:
        """The method and target of every request that it saw, so far, as `normal` has them."""
        lines = self.log.read_text(errors="replace").splitlines()
        once = [line for line in lines if line.startswith("-")]
        # HAProxy may write a line twice: they begin with what no other request has
        twice = dict.fromkeys(line for line in lines if not line.startswith("-"))
        return Counter(normal(line.partition(" ")[2]) for line in (*once, *twice))


def normal(line: str) -> str:
    """The method and target of a request line in a log, without what logs write each in its own way."""
    method, _, rest = line.partition(" ")
    target = _absolute.sub("", rest.partition(" ")[0])
    path = "/" if method == "CONNECT" else target if target.startswith("/") else f"/{target}"
    return _escaped.sub("?", f"{method} {path}")[:200]


def _found(kind: Kind) -> tuple[Path, str] | None:
    """The root in which a front end is, and its program there."""
    other = os.environ.get("MPSERVER_PEERS_ROOT")
    for root in (Path("/"), *((Path(other),) if other and os.geteuid() == 0 else ())):
        for name in kind.programs:
            on_path = shutil.which(name) if root == Path("/") else None
            places = [on_path] if on_path else [f"/{folder}/{name}" for folder in _FOLDERS]
            for place in places:
                if (root / place.lstrip("/")).exists():
                    return root, place
    return None


@contextlib.contextmanager
def before(back: int, name: str) -> Iterator[Front]:
    """A front end before the server at a port, while the block lasts; skips where it is not installed."""
    kind = KINDS[name]
    found = _found(kind)
    if found is None:
        pytest.skip(f"{name} is not installed, nor in MPSERVER_PEERS_ROOT (Debian: apt-get install {kind.programs[0]})")
    root, program = found
    reserved = Port()
    with tempfile.TemporaryDirectory(prefix="front-", dir=root / "tmp") as made:
        folder = Path(made)
        folder.chmod(0o777)
        inside = f"/{folder.relative_to(root)}"
        modules = next((f"/{place}" for place in _MODULES if (root / place).exists()), "modules")
        text = kind.conf.format(inside=inside, port=reserved.number, back=back, modules=modules)
        (folder / "conf").write_text(text)
        words = [word.format(inside=inside) for word in kind.words]
        confined = ["chroot", str(root)] if root != Path("/") else []
        said = folder / "seen.log" if kind.tells else folder / "said"
        with said.open("wb") as output:
            process = subprocess.Popen(
                [*confined, program, *words], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,  # (Apache ends its whole group)
            )  # fmt: skip
        try:
            wait_for(lambda: listens(reserved.number) or process.poll() is not None, f"{name} to listen")
            assert process.poll() is None, said.read_text()
            yield Front(reserved.number, folder / "seen.log")
        finally:
            process.terminate()
            process.wait(PATIENCE)
            reserved.release()
