"""Private keys are nothing for applications with a user of their own (PythonInterpUser)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conftest import StartServer
from support.certificates import Authority
from support.tls import at_port

APP = '''
import gc
import os
from mod_python import apache

KEY = b"PRIVATE " + b"KEY-----"


def handler(req):
    """The user, and whether a key can be read of any descriptor, or is in any object."""
    found = False
    gc.unfreeze()
    for one in gc.get_objects():
        held = gc.get_referents(one)
        found = found or any(type(value) is bytes and len(value) > 200 and KEY in value for value in held)
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            found = found or KEY in os.pread(fd, 1 << 24, 0)
        except OSError:
            pass
    req.write("%s %s" % (os.getuid(), found), 0)
    return apache.OK
'''

CONF = """
Listen ${TLS} https
PythonPath "sys.path + ['${WWW}']"
<VirtualHost *:${TLS}>
    ServerName a.example
    SSLCertificateFile ${CA}/first.pem
    SSLCertificateKeyFile ${CA}/first.key
</VirtualHost>
<Location />
    SetHandler mod_python
    PythonHandler app
    PythonInterpBackend process
    PythonInterpreter apart
    PythonInterpUser nobody
</Location>
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_no_descriptor_of_another_users_process_has_keys(start_open_server: StartServer, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    authority.issue("first", ["DNS:a.example"])
    with at_port(authority) as (client, variables):
        server = start_open_server(CONF, {"app.py": APP}, variables=variables, mode="daemon")
        user, found = server.get("/").text.split()
        assert user != "0"
        assert found == "False"
        assert client.get("a.example", "/").text == f"{user} False"
