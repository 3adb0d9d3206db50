"""Clients of the applications, and what is put into their folders of data."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, NamedTuple

#: What a client may take, in seconds.
PATIENCE = 60

#: Tells what a client got of the server at a port of 127.0.0.1; with a folder of its own.
Client = Callable[[int, Path], str]


class Ask(NamedTuple):
    """A request; a body that is a list goes in chunks."""

    method: str
    path: str
    body: bytes | list[bytes] | None = None
    headers: tuple[tuple[str, str], ...] = ()


#: What may differ from server to server, and from moment to moment.
_IGNORED = frozenset({"date", "server", "connection", "transfer-encoding", "keep-alive"})
#: What is each time another: that it is there is all that can be compared.
_OWN = frozenset({"etag", "last-modified", "lock-token", "x-request-id"})
_VOLATILE = (
    (re.compile(rb"127\.0\.0\.1:\d+"), b"HOST"),
    (re.compile(rb"[A-Za-z0-9+/_=-]{24,}"), b"TOKEN"),
    (re.compile(rb"\d{7,}"), b"NUMBER"),
    (re.compile(rb"\d+ (second|minute)s?|\d\d:\d\d:\d\d"), b"AGO"),
    (re.compile(rb"\b[0-9a-f]{32,}\b|\b[\w-]{8}-[\w-]{4}-[\w-]{4}-[\w-]{4}-[\w-]{12}\b"), b"TOKEN"),
    (re.compile(rb"\w{3}, \d\d[ -]\w{3}[ -]\d{4} \d\d:\d\d:\d\d GMT"), b"DATE"),
    (re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?"), b"TIME"),
)


def _settled(text: bytes) -> bytes:
    for pattern, word in _VOLATILE:
        text = pattern.sub(word, text)
    return text


class Answer(NamedTuple):
    """What can be compared of an answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def ask_all(port: int, asks: Sequence[Ask]) -> list[Answer | str]:
    """The answers to requests, each on its own connection; or what went wrong. Cookies are kept, as browsers do."""
    cookies: dict[str, str] = {}
    return [_ask(port, ask, cookies) for ask in asks]


def _ask(port: int, ask: Ask, cookies: dict[str, str]) -> Answer | str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"User-Agent": "compare", "Accept": "*/*", "Accept-Encoding": "identity", **dict(ask.headers)}
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    try:
        if isinstance(ask.body, list):
            connection.request(ask.method, ask.path, iter(ask.body), headers, encode_chunked=True)
        else:
            connection.request(ask.method, ask.path, ask.body, headers)
        reply = connection.getresponse()
        body = reply.read()
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    kept = []
    for name, value in reply.getheaders():
        if name.lower() == "set-cookie":
            for key, morsel in SimpleCookie(value).items():
                cookies[key] = morsel.coded_value
                kept.append(("set-cookie", key))
        elif name.lower() in _OWN:
            kept.append((name.lower(), ""))
        elif name.lower() not in _IGNORED:
            kept.append((name.lower(), _settled(value.encode("latin-1")).decode("latin-1")))
    return Answer(reply.status, tuple(sorted(kept)), _settled(body))


def run(*command: str, cwd: Path | None = None, patience: float = PATIENCE, **environ: str) -> str:
    """What a program printed. :raises RuntimeError: it failed."""
    alone = {"HOME": "/nonexistent", "HGRCPATH": "", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | alone | environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=patience, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def program(name: str) -> str:
    """A program that a package brings, or the system has. :raises RuntimeError: there is none."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        raise RuntimeError(f"{name} is not installed")
    return found


# ---- clients


def websocket(port: int, _folder: Path) -> str:
    """Messages to and fro, short and long."""
    from websocket import create_connection

    connection = create_connection(f"ws://127.0.0.1:{port}/echo", timeout=PATIENCE)
    said: list[Any] = []  # (text for text, which its types don't tell)
    for text in ("one", "x" * 300_000 + "y", "Zoë"):
        connection.send(text)
        said.append(connection.recv())
    connection.send("end")
    last = connection.recv_data()[0]
    connection.close()
    return f"{said[0]} {len(said[1])} {said[1][:2]} {said[2]} {last}"


def socketio(port: int, _folder: Path) -> str:
    """An event and its answer, by polling and by WebSocket."""
    import socketio as library

    said = []
    for ways in (["polling"], ["websocket"], None):
        with library.SimpleClient() as client:
            client.connect(f"http://127.0.0.1:{port}", transports=ways)
            client.emit("shout", "Zoë")
            said.append((client.transport, client.receive(timeout=PATIENCE)))
    return repr(said)


GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main")


def commit(folder: Path, name: str, text: str) -> None:
    """A file in a git repository, committed."""
    (folder / name).write_text(text)
    run(*GIT, "add", name, cwd=folder)
    run(*GIT, "commit", "-q", "-m", f"{name} is new", cwd=folder)


def git(port: int, folder: Path) -> str:
    """Clone, push two megabytes, clone again."""
    url = f"http://127.0.0.1:{port}/one"
    one, two = folder / "one", folder / "two"
    run(*GIT, "clone", "-q", url, str(one))
    commit(one, "second.txt", os.urandom(1_000_000).hex())
    run(*GIT, "push", "-q", "origin", "HEAD", cwd=one)
    run(*GIT, "clone", "-q", url, str(two))
    same = (one / "second.txt").read_bytes() == (two / "second.txt").read_bytes()
    return f"{sorted(path.name for path in two.iterdir())} {same}"


def hg(port: int, folder: Path) -> str:
    """Clone, push two megabytes, clone again."""
    program_, url = program("hg"), f"http://127.0.0.1:{port}/one"
    mine, other = folder / "mine", folder / "other"
    run(program_, "clone", url, str(mine))
    (mine / "file.txt").write_text(os.urandom(1_000_000).hex())
    run(program_, "commit", "-A", "-m", "it is new", "-u", "me", cwd=mine)
    run(program_, "push", cwd=mine)
    run(program_, "clone", url, str(other))
    return str((other / "file.txt").read_bytes() == (mine / "file.txt").read_bytes())


def pip(port: int, folder: Path) -> str:
    """Get the package of `wheel`."""
    run(
        sys.executable, "-m", "pip", "download", "-q", "--isolated", "--no-deps", "--no-cache-dir",
        "--index-url", f"http://127.0.0.1:{port}/simple/", "-d", str(folder), "some-package",
        PIP_CONFIG_FILE="/dev/null",
    )  # fmt: skip
    return str([(path.name, path.stat().st_size) for path in folder.iterdir()])


# ---- what they find


def wheel(data: Path) -> None:
    """A package."""
    info = data.parent / "source" / "some_package-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-package\nVersion: 1.0\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    (info / "RECORD").write_text("")
    made = shutil.make_archive(str(data.parent / "made"), "zip", info.parent)
    shutil.copy(made, data / "some_package-1.0-py3-none-any.whl")


def git_repository(data: Path) -> None:
    """A repository with a commit that takes pushes."""
    work = data.parent / "work"
    run(*GIT, "init", "-q", str(work))
    commit(work, "first.txt", "the first\n")
    run(*GIT, "clone", "-q", "--bare", str(work), str(data / "one.git"))
    run(*GIT, "config", "http.receivepack", "true", cwd=data / "one.git")


def hg_repository(data: Path) -> None:
    """The same of Mercurial."""
    run(program("hg"), "init", str(data / "one"))
    (data / "hgweb.config").write_text(f"[paths]\none = {data / 'one'}\n[web]\npush_ssl = false\nallow_push = *\n")


def radicale_settings(data: Path) -> None:
    """Anybody may do everything."""
    (data / "config").write_text(
        f"[auth]\ntype = none\n[storage]\nfilesystem_folder = {data / 'collections'}\n"
        "[rights]\ntype = authenticated\n[web]\ntype = none\n"
    )


def page(data: Path) -> None:
    """A page."""
    (data / "page.html").write_text("<p>the page</p>")


def tracker(data: Path) -> None:
    """A tracker with an issue."""
    admin, home = program("roundup-admin"), data / "tracker"
    run(admin, "-i", str(home), "install", "classic", "anydbm")
    config = (home / "config.ini").read_text()
    config = re.sub(r"(?m)^#?domain *=.*", "domain = example.com", config)
    config = re.sub(r"(?m)^#?web *=.*", "web = http://localhost/", config)
    (home / "config.ini").write_text(config)
    run(admin, "-i", str(home), "initialise", "secret")
    run(admin, "-i", str(home), "create", "issue", "title=It is broken", "status=1")


def zope_instance(data: Path) -> None:
    """An instance whose administrator is admin, with the password admin."""
    for name in ("etc", "var"):
        (data / name).mkdir()
    (data / "inituser").write_text("admin:admin\n")
    (data / "etc" / "site.zcml").write_text(
        '<configure xmlns="http://namespaces.zope.org/zope"><include package="Products.Five" /></configure>'
    )
    (data / "zope.conf").write_text(
        f"instancehome {data}\ndebug-mode off\nwebdav-source-port 0\n"
        f"<zodb_db main>\n<filestorage>\npath {data}/var/Data.fs\n</filestorage>\nmount-point /\n</zodb_db>\n"
    )


def py4web_apps(data: Path) -> None:
    """An application with a session and a form."""
    app = data / "apps" / "one"
    (app / "static").mkdir(parents=True)
    (data / "apps" / "__init__.py").write_text("")
    (app / "static" / "page.html").write_text("<p>the page</p>")
    (app / "__init__.py").write_text(
        "from py4web import Session, action, request\n"
        "session = Session(secret='only for this')\n\n\n"
        "@action('index')\ndef index():\n    return 'index'\n\n\n"
        "@action('count')\n@action.uses(session)\ndef count():\n"
        "    session['count'] = session.get('count', 0) + 1\n    return str(session['count'])\n\n\n"
        "@action('form', method='POST')\ndef form():\n"
        "    return f\"{request.forms.text} {len(request.files['upload'].file.read())}\"\n"
    )
