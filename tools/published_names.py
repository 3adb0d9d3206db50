"""Asks the published mod_python on httpd for the names of its modules and classes (tools/published-names).

What it says is kept in tools/covering/published.json, so that `tools/coverage-page` can tell what is left out here,
and why, without httpd.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from comparing import servers
from comparing.cases import request
from comparing.client import send

ROOT = Path(__file__).resolve().parents[1]
KEPT = Path(__file__).with_name("covering") / "published.json"

#: Its modules, and the classes of its objects.
MODULES = (
    "_apache", "mod_python", "mod_python.apache", "mod_python.cache", "mod_python.cgihandler", "mod_python.Cookie",
    "mod_python.httpdconf", "mod_python.psp", "mod_python.publisher", "mod_python.python22", "mod_python.Session",
    "mod_python.testhandler", "mod_python.util", "mod_python.version", "mod_python.wsgi",
)  # fmt: skip
#: Run by a handler: the names of modules, and below them those of their own classes.
CODE = """
import importlib, json, types
def own(module, name):
    found = getattr(module, name)
    return isinstance(found, type) and (found.__module__ == module.__name__ or module.__name__ == "_apache")
r = {}
for path in %r:
    try:
        module = importlib.import_module(path)
    except Exception as error:
        r[path] = None
        continue
    names = []
    for name in dir(module):
        found = getattr(module, name)
        if isinstance(found, types.ModuleType) and not found.__name__.startswith(("mod_python", "_apache")):
            continue
        names.append(name)
        if own(module, name):
            names += [name + "." + member for member in vars(found) if not member.startswith("__")]
    r[path] = names
for path, thing in (("request", req), ("connection", req.connection), ("server", req.server), ("table", req.notes)):
    r[path] = [name for name in dir(thing) if not name.startswith("__")]
r = json.dumps(r)
"""


def asked(peer: servers.Peer) -> dict[str, list[str] | None]:
    """What a server says."""
    exchange = send(peer.port, request("/eval/x", code=CODE % (MODULES,)), 0)
    if not exchange.responses or " 200 " not in exchange.responses[0].status:
        raise SystemExit(f"{peer.name} does not answer: {exchange}\n{peer.log()}")
    text = exchange.responses[0].body.decode()
    found: dict[str, list[str] | None] = json.loads(text[text.index("{") : text.rindex("}") + 1])
    return found


def main() -> int:
    """Ask, and keep the answer. :returns: the exit status."""
    parser = argparse.ArgumentParser(prog="tools/published-names", description=__doc__)
    for name, default, told in (
        ("apache", "apache2 -DFOREGROUND -f {conf}", "command that starts Apache with a configuration, {conf}"),
        ("folder", "/tmp/mpserver-compare", "folder for Apache's copy of the site; it is emptied"),  # noqa: S108 - as above, of tools/compare
        ("inside", "", "the same folder as Apache sees it, where that differs"),
        ("modules", "/usr/lib/apache2/modules", "folder of Apache's modules"),
        ("user", "www-data", "User of Apache when started by root"),
        ("group", "www-data", "Group of Apache when started by root"),
    ):
        variable = f"COMPARE_{name.upper()}"
        parser.add_argument(f"--{name}", default=os.environ.get(variable, default), help=f"{told} [${variable}]")
    options = parser.parse_args()
    folder = Path(options.folder)
    inside = options.inside or str(folder)
    ground = servers.APPLICATIONS
    with servers.apache(options.apache, folder, inside, options.modules, options.user, options.group, ground) as peer:
        found = asked(peer)
    KEPT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    return 0
