"""docs/https.md: its whole configuration, done as it says."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import ssl
from base64 import b64encode
from pathlib import Path

import pytest

from mpserver.cli import user_files
from support.pages import blocks, page
from support.processes import nothing_outlives
from support.server import Port, Server
from support.waiting import PATIENCE


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_https_a_password_and_a_redirect(tmp_path: Path, orphanage: None) -> None:
    found = blocks(page("https.md"))
    secure = Port()
    server = Server(tmp_path, "", {"index.html": "all", "private/index.html": "members"}, mode="foreground")
    text = found["https.conf"]
    for here, there in (
        ("/srv/site", str(tmp_path)), ("Listen     80\n", f"Listen 127.0.0.1:{server.port}\n"),
        ("Listen     443 https", f"Listen 127.0.0.1:{secure.number} https"), ("*:443", f"*:{secure.number}"),
        ("*:80", f"*:{server.port}"), ("User       www-data\n", ""),
    ):  # fmt: skip
        assert here in text, here
        text = text.replace(here, there)
    user = [line for line in server.conf.read_text().splitlines() if line.startswith("User")]
    server.conf.write_text("\n".join([*user, text]))
    try:
        assert user_files.htpasswd(["-c", "-b", str(tmp_path / "users"), "zoe", "secret"]) == 0
        assert server.command("-t").stderr == "Syntax OK\n"
        with nothing_outlives(), server:
            told = server.get("/private/?a", host="www.example.com")
            assert (told.status, told.header("Location")) == (301, "https://www.example.com/private/?a")
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

            def ask(path: str, password: str = "") -> tuple[int, str]:
                sent = {"Authorization": "Basic " + b64encode(f"zoe:{password}".encode()).decode()} if password else {}
                connection = http.client.HTTPSConnection("127.0.0.1", secure.number, timeout=PATIENCE, context=context)
                with contextlib.closing(connection):
                    connection.request("GET", path, headers={"Host": "www.example.com", **sent})
                    reply = connection.getresponse()
                    return reply.status, reply.read().decode() if reply.status == 200 else ""

            assert ask("/") == (200, "all")
            assert [ask("/private/", password)[0] for password in ("", "wrong")] == [401, 401]
            assert ask("/private/", "secret") == (200, "members")
    finally:
        server.close()
        secure.release()
