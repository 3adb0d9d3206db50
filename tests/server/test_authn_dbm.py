"""Users and groups in databases; the statuses are those that httpd 2.4 answered, from files of a kind that it reads."""

from __future__ import annotations

import grp
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from conftest import StartServer
from mpserver.cli.user_databases import htdbm, httxt2dbm
from support.server import EACH_AND_THREADS, Server

#: Both are of the password "pw".
APR = "$apr1$i/UxM.bR$I6SxQE0o0CrhcIh69I0hZ/"
SHA = "{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM="
USERS = f"joe {APR}\nbob {APR}:staff,admin:a remark\neve {SHA}\nempty :x\n"
GROUPS = f"joe staff,{grp.getgrgid(os.getegid()).gr_name}\nbob other:admin,ops:remark\neve:a one,staff\neve none\n"

CONF = """
LoadModule authn_dbm_module modules/mod_authn_dbm.so
LoadModule authz_dbm_module modules/mod_authz_dbm.so
LoadModule authn_socache_module modules/mod_authn_socache.so
AuthnCacheEnable
AuthnCacheSOCache shmcb:/var/run/x(512000)
""" + "".join(
    f"""
<Directory "${{WWW}}/{name}">
    AuthType Basic
    AuthName a
    AuthBasicProvider dbm
    AuthDBMUserFile "${{WWW}}/users.db"
    {lines}
</Directory>
"""
    for name, lines in {
        "any": "AuthDBMType default\nRequire valid-user",
        "staff": 'AuthDBMGroupFile "${WWW}/groups.db"\nAuthzDBMType sqlite\nRequire dbm-group staff',
        "one": 'AuthDBMGroupFile "${WWW}/users.db"\nRequire dbm-group admin ops',
        "owner": 'AuthDBMGroupFile "${WWW}/groups.db"\nRequire dbm-file-group',
        "nofile": 'AuthDBMUserFile "${WWW}/none.db"\nRequire valid-user',
        "other": 'AuthDBMUserFile "${WWW}/text.db"\nRequire valid-user',
        "ungrouped": "Require dbm-group staff",
        "nogroups": 'AuthDBMGroupFile "${WWW}/none.db"\nRequire dbm-group staff',
        "two": (
            'AuthBasicProvider socache file dbm\nAuthUserFile "${WWW}/file"\nAuthDBMGroupFile "${WWW}/groups.db"\n'
            "Require dbm-group other ops one\nAuthnCacheProvideFor file dbm\nAuthnCacheTimeout 60"
        ),
        "change": 'AuthDBMUserFile "${WWW}/changing.db"\nRequire valid-user',
    }.items()
)

PLACES = ("any", "staff", "one", "owner", "nofile", "other", "ungrouped", "nogroups", "two", "change")


def database(folder: Path, text: str) -> bytes:
    """One that is made of lines ``key value``."""
    (folder / "text").write_text(text)
    assert httxt2dbm(["-i", str(folder / "text"), "-o", str(folder / "made.db")]) == 0
    return (folder / "made.db").read_bytes()


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(
    request: pytest.FixtureRequest, start_module_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Server:
    """One server for each kind of interpreter, and one whose workers have threads."""
    backend, mpm = request.param
    folder = tmp_path_factory.mktemp("databases")
    files = {
        **{f"{place}/x": place for place in PLACES},
        "users.db": database(folder, USERS), "groups.db": database(folder, GROUPS),
        "changing.db": database(folder, f"joe {SHA}\n"), "text.db": "joe:pw\n" * 100, "file": f"file:{SHA}\n",
    }  # fmt: skip
    return start_module_server(CONF, files, backend=backend, mpm=mpm)


@pytest.mark.parametrize(
    ("place", "statuses"),
    [
        # nobody, joe, joe with a wrong password, bob, eve, a user without a password, one that is not there, the file's
        ("any", (401, 200, 401, 200, 200, 401, 401, 401)),
        ("staff", (401, 200, 401, 401, 200, 401, 401, 401)),
        ("one", (401, 401, 401, 200, 401, 401, 401, 401)),
        ("nofile", (401, 500, 500, 500, 500, 500, 500, 500)),
        ("other", (401, 500, 500, 500, 500, 500, 500, 500)),
        ("ungrouped", (401, 401, 401, 401, 401, 401, 401, 401)),
        ("nogroups", (401, 500, 401, 500, 500, 401, 401, 401)),
        ("two", (401, 401, 401, 200, 200, 401, 401, 401)),
        ("owner", (401, 200, 401, 401, 401, 401, 401, 401)),
    ],
)
def test_statuses(server: Server, place: str, statuses: tuple[int, ...]) -> None:
    users = (
        None, ("joe", "pw"), ("joe", "x"), ("bob", "pw"), ("eve", "pw"), ("empty", ""), ("nobody", "pw"),
        ("file", "pw"),
    )  # fmt: skip
    assert tuple(server.get(f"/{place}/x", auth=user).status for user in users) == statuses
    if place in ("nofile", "nogroups"):
        server.wait_for_log("none.db: No such file or directory")
    if place == "other":
        server.wait_for_log(
            "it can't be read as an SQLite database (file is not a database): make it with mpserver htdbm"
        )


def test_a_file_that_changes(server: Server) -> None:
    path = str(server.www / "changing.db")

    def status(user: str) -> int:
        name, _, password = user.partition(":")
        return server.get("/change/x", auth=(name, password)).status

    assert (status("joe:pw"), status("ann:new")) == (200, 401)
    assert htdbm(["-bB", "-C", "4", path, "ann", "new"]) == 0
    for _ in range(3):
        assert (status("ann:new"), status("ann:old")) == (200, 401)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        # what Python's dbm.sqlite3 does: there is a write-ahead log as long as somebody has the file open
        writer.execute("PRAGMA journal_mode = wal")
        writer.execute("REPLACE INTO Dict (key, value) VALUES (?, ?)", (b"joe", f"{SHA[:-2]}x=".encode()))
        assert (status("joe:pw"), status("ann:new")) == (401, 200)
        writer.execute("REPLACE INTO Dict (key, value) VALUES (?, ?)", (b"joe", SHA.encode()))
        assert (status("joe:pw"), status("ann:new")) == (200, 200)
    assert (status("joe:pw"), status("ann:new")) == (200, 200)
    assert htdbm(["-x", path, "ann"]) == 0
    assert (status("joe:pw"), status("ann:new")) == (200, 401)
    assert htdbm(["-cbs", path, "ann", "new"]) == 0
    assert (status("joe:pw"), status("ann:new")) == (401, 200)
    assert not [name for name in os.listdir(server.www) if name.endswith(("-wal", "-shm", "-journal", ".new"))]
    assert htdbm(["-cbs", path, "joe", "pw"]) == 0
