"""Packages from PyPI, most of them with extension modules: who says nothing of kinds gets them served.

What each loads in is told by docs/what-loads-where.md (tools/load-table).
"""

from __future__ import annotations

import importlib.util
import re
import sys

import pytest

from conftest import StartServer
from support.server import MPMS, Server

pytestmark = pytest.mark.apps

#: A module, and what an application does with it.
PACKAGES = {
    "numpy": ("import numpy", "int(numpy.arange(4).sum())", "6"),
    "lxml": ("import lxml.etree", "lxml.etree.fromstring('<a><b/></a>')[0].tag", "b"),
    "cryptography": (
        "from cryptography.fernet import Fernet\nbox = Fernet(Fernet.generate_key())",
        "box.decrypt(box.encrypt(b'x')).decode()",
        "x",
    ),
    "psycopg": ("from psycopg import conninfo", "conninfo.make_conninfo(dbname='x')", "dbname=x"),
    "PIL": ("from PIL import Image", "Image.new('RGB', (4, 2)).resize((2, 1)).size", "(2, 1)"),
    "pydantic": ("import pydantic", "pydantic.TypeAdapter(list[int]).validate_python(['1'])", "[1]"),
    "orjson": ("import orjson", "orjson.dumps({'a': [1]}).decode()", '{"a":[1]}'),
    "yaml": ("import yaml", "yaml.safe_load('a: [1, 2]')", "{'a': [1, 2]}"),
    "sqlalchemy": (
        "import sqlalchemy",
        "sqlalchemy.create_engine('sqlite://').connect().execute(sqlalchemy.text('select 42')).scalar()",
        "42",
    ),
    "django": (
        "import django\nfrom django.conf import settings\nif not settings.configured:\n"
        "    settings.configure(TEMPLATES=[{'BACKEND': 'django.template.backends.django.DjangoTemplates'}])\n"
        "    django.setup()\nfrom django.template import engines",
        "engines['django'].from_string('{{ x|upper }}').render({'x': 'a'})",
        "A",
    ),
    "flask": ("import flask", "flask.Flask('x').test_client().get('/').status_code", "404"),
}

#: The packages are loaded with the handler's module, or by its first request.
AT_ONCE = """
from mod_python import apache
{load}

def handler(req):
    req.content_type = "text/plain"
    req.write(str({use}), 0)
    return apache.OK
"""
LATE = """
from mod_python import apache

def handler(req):
    scope = {{}}
    exec({load!r}, scope)
    req.content_type = "text/plain"
    req.write(str(eval({use!r}, scope)), 0)
    return apache.OK
"""

SECTION = """
<Location /{name}>
    SetHandler mod_python
    PythonHandler use_{name}
    PythonInterpreter {name}
    PythonPath "sys.path + ['${{WWW}}']"
</Location>
"""


@pytest.fixture(scope="module", params=MPMS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """A server with an application for each package and way, of the kind that it finds by itself."""
    files = {}
    conf = ""
    for package, (load, use, _result) in PACKAGES.items():
        for way, page in (("once", AT_ONCE), ("late", LATE)):
            name = f"{package.lower()}_{way}"
            files[f"use_{name}.py"] = page.format(load=load, use=use)
            conf += SECTION.format(name=name)
    return start_module_server(conf, files, backend="auto", mode="daemon", workers=2, mpm=request.param)


@pytest.mark.parametrize("way", ["once", "late"])
@pytest.mark.parametrize("package", PACKAGES)
def test_by_itself_each_package_is_served(server: Server, package: str, way: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: tools/test --apps")
    name = f"{package.lower()}_{way}"
    for _ in range(6):  # (each of two workers has its own interpreter)
        reply = server.get(f"/{name}")
        assert (reply.status, reply.text) == (200, PACKAGES[package][2]), server.said()[-3000:]
    told = re.findall(rf"interpreter '{name}': .* runs in processes from now on", server.log())
    assert len(told) <= 1
    if sys.version_info < (3, 14):
        assert not told  # (it is a process from the start)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="auto begins with subinterpreters from 3.14 on")
def test_the_log_names_what_refused(server: Server) -> None:
    if importlib.util.find_spec("numpy") is None:
        pytest.skip("numpy is not installed: tools/test --apps")
    server.get("/numpy_once")
    server.wait_for_log("interpreter 'numpy_once': numpy")
