"""A site of Wagtail as ``wagtail start`` makes it, with whitenoise, and what an editor does in it."""

from __future__ import annotations

import json
import os
import re
import struct
import sys
import zlib
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.request import HTTPCookieProcessor, Request, build_opener

from serving.clients import PATIENCE, program, run

#: What the module of settings is.
SETTINGS = {"DJANGO_SETTINGS_MODULE": "cms.settings.production"}

#: What the settings of a site leave to the place where it runs.
LOCAL = """
from .base import MIDDLEWARE, STORAGES

SECRET_KEY = "only for this"
ALLOWED_HOSTS = ["127.0.0.1"]
MIDDLEWARE.insert(1, "whitenoise.middleware.WhiteNoiseMiddleware")
STORAGES["staticfiles"]["BACKEND"] = "whitenoise.storage.CompressedManifestStaticFilesStorage"
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = ["js", "svg", "png", "ico", "woff", "woff2"]  # (sheets show that it compresses)
"""


def site(data: Path) -> None:
    """A site with its database, its static files and an administrator: admin, with the password secret."""
    run(program("wagtail"), "start", "cms", str(data))
    (data / "cms" / "settings" / "local.py").write_text(LOCAL)
    for words in (
        ("migrate",),
        ("collectstatic", "--noinput"),
        ("createsuperuser", "--noinput", "--username", "admin", "--email", "a@b.test"),
    ):
        environ = {"DJANGO_SUPERUSER_PASSWORD": "secret", **SETTINGS}
        run(sys.executable, "manage.py", *words, cwd=data, patience=10 * PATIENCE, **environ)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int) -> bytes:
    """A picture of noise."""
    lines = b"".join(b"\0" + os.urandom(3 * width) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(lines)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class Editor:
    """A browser whose user edits the site at a port of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def fetch(self, path: str, body: bytes | None = None, **headers: str) -> bytes:
        """A page, after redirects."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with self._opener.open(Request(self.base + path, body, named), timeout=PATIENCE) as reply:  # noqa: S310
            return bytes(reply.read())

    def submit(self, path: str, fields: dict[str, str], file: bytes | None = None) -> str:
        """Send the form that a page has, with its token, and give the page that follows."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.fetch(path).decode())
        if token is None:
            raise RuntimeError(f"{path} has no form")
        boundary = "x" * 60  # (Django finds it in a line's middle, too: a short one stands in a picture of noise)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{{}}"{{}}\r\n\r\n'
        lines = [
            f"{head.format(name, '')}{value}\r\n".encode()
            for name, value in {**fields, "csrfmiddlewaretoken": token[1]}.items()
        ]
        if file is not None:
            lines.append(head.format("file", '; filename="noise.png"').encode() + file + b"\r\n")
        body = b"".join(lines) + f"--{boundary}--\r\n".encode()
        return self.fetch(path, body, Content_Type=f"multipart/form-data; boundary={boundary}").decode()

    def log_in(self, password: str = "secret") -> str:  # noqa: S107 - the only user's, of a site that is thrown away
        """Log in, and give the page of the administration; or that of the log-in, which the password fails."""
        return self.submit("/admin/login/", {"username": "admin", "password": password, "next": "/admin/"})

    def publish(self, title: str, slug: str) -> None:
        """Make a page below the home page, and publish it."""
        comments = {"comments-TOTAL_FORMS": "0", "comments-INITIAL_FORMS": "0"}
        self.submit(
            "/admin/pages/add/home/homepage/3/", {"title": title, "slug": slug, "action-publish": "1", **comments}
        )

    def upload(self, title: str, picture: bytes) -> list[str]:
        """Upload a picture, and give the addresses of those that the list of pictures shows."""
        self.submit("/admin/images/add/", {"title": title}, picture)
        return re.findall(r'src="(/media/[^"]+)"', self.fetch("/admin/images/").decode())


def links(page: str) -> list[str]:
    """The static files of a page."""
    return re.findall(r'(?:src|href)="(/static/[^"]+)"', page)


def edits(port: int, _folder: Path) -> str:
    """Log in, publish a page, upload a picture, and fetch them and what the administration needs of static files."""
    editor = Editor(port)
    page = editor.log_in()
    editor.publish("Zoë", "zoe")
    pictures = editor.upload("noise", png(300, 200))
    sizes = {path.rpartition(".")[2]: bool(editor.fetch(path)) for path in links(page)}
    return json.dumps(["Zoë" in editor.fetch("/zoe/").decode(), len(pictures), sizes], sort_keys=True)
