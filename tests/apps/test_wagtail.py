"""Wagtail with whitenoise, as ``wagtail start`` makes a site: the editor's steps, and files that whitenoise serves."""

from __future__ import annotations

import gzip
import re
import shutil
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError

import pytest

from conftest import StartServer
from serving import wagtail
from support.apps import loads, needs
from support.server import Server

pytestmark = pytest.mark.apps

CONF = """
PythonInterpEnv DJANGO_SETTINGS_MODULE {settings}
<Location />
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonPath "sys.path + ['{home}']"
    PythonInterpreter site
    PythonOption mod_python.wsgi.application cms.wsgi
</Location>
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site that nobody has edited yet."""
    needs("wagtail", "whitenoise")
    home = tmp_path_factory.mktemp("wagtail") / "site"
    home.mkdir()
    wagtail.site(home)
    return home


@pytest.fixture
def site(kind: str, mpm: str, made: Path, start_server: StartServer, tmp_path: Path) -> tuple[Server, Path]:
    """A server with a site, and the site's folder."""
    if kind == "own":
        pytest.skip(
            "pydantic, which it needs, refuses subinterpreters with a GIL of their own: auto gives it a process"
        )
    home = tmp_path / "site"
    shutil.copytree(made, home)
    conf = CONF.format(home=home, settings=wagtail.SETTINGS["DJANGO_SETTINGS_MODULE"])
    return start_server(conf, {}, backend=kind, mpm=mpm), home


def test_an_editor_and_readers(site: tuple[Server, Path]) -> None:
    server, home = site
    assert loads(server.port) == 200
    editor, reader = wagtail.Editor(server.port), wagtail.Editor(server.port)
    assert 'name="password"' in reader.fetch("/admin/").decode()
    assert 'name="password"' in reader.log_in("a wrong one")
    page = editor.log_in()
    assert 'name="password"' not in page

    with pytest.raises(HTTPError) as caught:
        reader.fetch("/zoe/")
    with caught.value as refused:
        assert refused.code == 404
    editor.publish("It is Zoë", "zoe")
    with ThreadPoolExecutor(4) as threads:
        assert all("It is Zoë" in page.decode() for page in threads.map(reader.fetch, ["/zoe/"] * 12))

    picture = wagtail.png(800, 600)
    (small,) = editor.upload("noise", picture)
    assert (home / "media" / "original_images" / "noise.png").read_bytes() == picture
    (width,) = struct.unpack_from(">I", (home / small.lstrip("/")).read_bytes(), 16)
    assert width == 165  # (what the list asks for)

    static_files(server, home, page)
    assert "Traceback" not in server.log()


def static_files(server: Server, home: Path, page: str) -> None:
    """What whitenoise serves is what was collected, as browsers ask for it."""
    links = wagtail.links(page)
    kinds = {path.rpartition(".")[2] for path in links}
    assert kinds >= {"css", "js"}
    for path in links:
        reply = server.get(path)
        assert (reply.status, reply.body) == (200, (home / path.lstrip("/")).read_bytes())
    sheet = next(path for path in links if path.endswith("core.css") or re.search(r"/core\.[0-9a-f]+\.css", path))
    plain = (home / sheet.lstrip("/")).read_bytes()
    packed = server.get(sheet, {"Accept-Encoding": "gzip"})
    assert (packed.header("Content-Encoding"), gzip.decompress(packed.body)) == ("gzip", plain)
    assert packed.header("Vary") == "Accept-Encoding"
    assert packed.header("Cache-Control") == "max-age=315360000, public, immutable"
    part = server.get(sheet, {"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, plain[10:20])
    assert server.get(sheet, {"If-Modified-Since": str(packed.header("Last-Modified"))}).status == 304
    head = server.request("HEAD", sheet)
    assert (head.status, head.body, head.header("Content-Length")) == (200, b"", str(len(plain)))
    assert server.get("/static/none.css").status == 404
