"""Providers under other names, and whose a file is; the statuses are those that httpd 2.4 answered."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from conftest import StartServer
from support.checking import untold
from support.server import EACH_AND_THREADS, Server

#: The password is "pw".
SHA = "{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM="
OWNER = pwd.getpwuid(os.geteuid()).pw_name

CONF = """
LoadModule authz_owner_module modules/mod_authz_owner.so
<AuthnProviderAlias file own>
    AuthUserFile "${WWW}/users1"
</AuthnProviderAlias>
<AuthnProviderAlias file others>
    AuthUserFile "${WWW}/users2"
</AuthnProviderAlias>
<AuthzProviderAlias group staff "staff chiefs">
    AuthGroupFile "${WWW}/groups2"
</AuthzProviderAlias>
<AuthzProviderAlias ip here "127.0.0.1 ::1">
</AuthzProviderAlias>
<AuthzProviderAlias ip far 10.9.9.9>
</AuthzProviderAlias>
<AuthzProviderAlias all nobody denied>
</AuthzProviderAlias>
<Directory "${WWW}">
    AuthType Basic
    AuthName a
    AllowOverride AuthConfig
</Directory>
<Directory "${WWW}/first">
    AuthBasicProvider own
    Require valid-user
</Directory>
<Directory "${WWW}/both">
    AuthBasicProvider own file others
    AuthUserFile "${WWW}/users3"
    Require valid-user
</Directory>
<Directory "${WWW}/staff">
    AuthBasicProvider own others
    AuthGroupFile "${WWW}/groups1"
    Require staff
</Directory>
<Directory "${WWW}/any">
    AuthBasicProvider own others
    AuthGroupFile "${WWW}/groups1"
    <RequireAny>
        Require staff
        Require group readers
    </RequireAny>
</Directory>
<Directory "${WWW}/not">
    AuthBasicProvider own others
    <RequireAll>
        Require valid-user
        Require not staff
    </RequireAll>
</Directory>
<Directory "${WWW}/local">
    Require here
</Directory>
<Directory "${WWW}/far">
    <RequireAny>
        Require far
        Require nobody
    </RequireAny>
</Directory>
<Directory "${WWW}/owner">
    AuthBasicProvider own others
    Require file-owner
</Directory>
<Directory "${WWW}/group">
    AuthBasicProvider own others
    AuthGroupFile "${WWW}/filegroups"
    Require file-group
</Directory>
<VirtualHost *>
    ServerName hosted
    <Directory "${WWW}/hosted">
        AuthBasicProvider others
        Require staff
    </Directory>
</VirtualHost>
"""

PLACES = ("first", "both", "staff", "any", "not", "local", "far", "owner", "group", "hosted", "own")


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter, and one whose workers have threads."""
    backend, mpm = request.param
    files = {
        **{f"{place}/x": place for place in PLACES},
        "users1": f"ann:{SHA}\n{OWNER}:{SHA}\n", "users2": f"bob:{SHA}\neve:{SHA}\n", "users3": f"kim:{SHA}\n",
        "groups1": "readers: ann eve\nstaff: eve\n", "groups2": "chiefs: bob\nstaff: joe\n",
        "filegroups": f"{Path('/proc/self').group()}: ann\nnone: bob\n",
        "own/.htaccess": "AuthBasicProvider others\nRequire staff\n",
    }  # fmt: skip
    return start_module_server(CONF, files, backend=backend, mpm=mpm)


@pytest.mark.parametrize(
    ("place", "statuses"),
    [
        # nobody, ann, ann with a wrong password, bob, eve, kim, the owner of the files
        ("first", (401, 200, 401, 401, 401, 401, 200)),
        ("both", (401, 200, 401, 200, 200, 200, 200)),
        ("staff", (401, 401, 401, 200, 401, 401, 401)),
        ("any", (401, 200, 401, 200, 200, 401, 401)),
        ("not", (401, 200, 401, 401, 200, 401, 200)),
        ("local", (200,) * 7),
        ("far", (403,) * 7),
        ("owner", (401, 401, 401, 401, 401, 401, 200)),
        ("group", (401, 200, 401, 401, 401, 401, 401)),
        ("own", (401, 401, 401, 200, 401, 401, 401)),
    ],
)
def test_statuses(server: Server, place: str, statuses: tuple[int, ...]) -> None:
    users = (None, ("ann", "pw"), ("ann", "x"), ("bob", "pw"), ("eve", "pw"), ("kim", "pw"), (OWNER, "pw"))
    assert tuple(server.get(f"/{place}/x", auth=user).status for user in users) == statuses


def test_in_a_virtual_host(server: Server) -> None:
    answers = [server.get("/hosted/x", host="hosted", auth=(user, "pw")).status for user in ("ann", "bob", "eve")]
    assert answers == [401, 200, 401]


def test_why_the_owner_is_another_one(server: Server) -> None:
    server.get("/owner/x", auth=("bob", "pw"))
    server.wait_for_log(
        f"Authorization of user bob to access /owner/x failed, reason: file owner {OWNER} does not match."
    )


def test_what_can_not_be_meant_is_refused(tmp_path: Path) -> None:
    faults = {
        "<AuthnProviderAlias none a>\n</AuthnProviderAlias>": "Unknown Authn provider: none: write one of file, dbm",
        "<AuthnProviderAlias file file>\n</AuthnProviderAlias>": (
            "The alias provider name must be different from the base provider name."
        ),
        "<AuthnProviderAlias file dbm>\n</AuthnProviderAlias>": "The alias provider dbm has already be registered",
        "<AuthzProviderAlias none a b>\n</AuthzProviderAlias>": "Unknown Authz provider: none",
        "<AuthzProviderAlias ip local 10.0.0.1>\n</AuthzProviderAlias>": "The alias provider local has already be",
        "<AuthzProviderAlias ip net much>\n</AuthzProviderAlias>": "ip address 'much' appears to be invalid",
        "<AuthzProviderAlias ip>\n</AuthzProviderAlias>": "takes two or three arguments",
        "<VirtualHost *>\n<AuthnProviderAlias file x>\n</AuthnProviderAlias>\n</VirtualHost>": "AuthnProviderAlias",
        "<Directory />\nAuthBasicProvider nowhere\n</Directory>": "Unknown Authn provider: nowhere",
        "<AuthnProviderAlias anon guests>\nAnonymous *\n</AuthnProviderAlias>\n"
        "<Directory />\nAuthDigestProvider guests\n</Directory>": "Unknown Authn provider: guests",
        "<AuthnProviderAlias file misspelled>\nAuthUserFle x\n</AuthnProviderAlias>": "did you mean AuthUserFile?",
    }
    assert untold(tmp_path, faults) == []
