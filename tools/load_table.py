"""Makes docs/what-loads-where.md: which kinds of interpreter well-known packages load in.

For each Python a virtual environment is made that has the server and the newest packages from PyPI, and is
thrown away afterwards. ``mpserver check-interp`` does the trying: an application for each package.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "what-loads-where.md"

#: Packages as pip names them, and what an application that uses them imports.
PACKAGES = {
    "numpy": "import numpy; numpy.linalg.inv(numpy.eye(2))",
    "lxml": "import lxml.etree; lxml.etree.fromstring('<a/>')",
    "cryptography": "from cryptography.fernet import Fernet; Fernet(Fernet.generate_key()).encrypt(b'x')",
    "psycopg[binary]": "import psycopg; psycopg.sql.Identifier('x')",
    "Pillow": "from PIL import Image; Image.new('RGB', (2, 2)).resize((1, 1))",
    "pydantic": "import pydantic; pydantic.TypeAdapter(int).validate_python('1')",
    "orjson": "import orjson; orjson.dumps({'a': 1})",
    "PyYAML": "import yaml; yaml.safe_load('a: 1')",
    "SQLAlchemy": "import sqlalchemy; sqlalchemy.create_engine('sqlite://').connect().close()",
    "Django": "import django.conf, django.db, django.template, django.core.handlers.wsgi",
    "Flask": "import flask; flask.Flask('x').test_client()",
}

KINDS = ("own", "shared", "process")

#: An application for each package in a configuration.
SECTION = """
<Location /{name}>
    SetHandler mod_python
    PythonHandler load_{name}
    PythonInterpreter {name}
</Location>
"""

HEAD = """\
# What loads where

Which kinds of interpreter an application can have that uses one of these packages, made by `tools/load-table` with
`mpserver check-interp` (see `interpreters.md`). "no" means that a module refuses the kind, or ends the process there;
so with `PythonInterpBackend auto` such an application is moved to a process. Each subinterpreter was made twice in a
process, the first one destroyed before the second.

psycopg and PyYAML do without their extension modules where these refuse: psycopg uses ctypes and the system's libpq
there, PyYAML its Python code. So they load everywhere, but are slower in own subinterpreters.
"""


def name_of(package: str) -> str:
    """A package's name as that of a module and an interpreter."""
    return package.partition("[")[0].lower()


def inside(folder: Path) -> dict[str, Any]:
    """Try all packages in the Python that runs this, which has them and the server."""
    from importlib.metadata import version

    from mpserver.cli import check_interp, load
    from mpserver.cli import options as options_module
    from mpserver.phases.survey import finish

    conf = folder / "httpd.conf"
    text = f'ServerRoot "{folder}"\nListen 127.0.0.1:8080\nUser nobody\nServerName localhost\n'
    text += f"PythonPath \"sys.path + ['{folder}']\"\n"
    for package, code in PACKAGES.items():
        (folder / f"load_{name_of(package)}.py").write_text(code + "\n")
        text += SECTION.format(name=name_of(package))
    conf.write_text(text)
    configuration = finish(load.read(options_module.parse(["-T", "-f", str(conf)])))
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "packages": {
            package: {
                "version": version(package.partition("[")[0]),
                "kinds": {k: list(o) for k, o in check_interp.check(configuration, name_of(package)).items()},
            }
            for package in PACKAGES
        },
    }


def outside(python: str, folder: Path) -> dict[str, Any]:
    """Make an environment of a Python in a folder, and try the packages there."""
    venv = folder / "venv"
    subprocess.run([python, "-m", "venv", str(venv)], check=True)
    own = str(venv / "bin" / "python")
    subprocess.run([own, "-m", "pip", "install", "-q", "-e", str(ROOT), *PACKAGES], check=True)
    done = subprocess.run([own, __file__, "--inside", str(folder)], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def table(found: dict[str, Any]) -> str:
    """The results of one Python in Markdown."""
    lines = [
        f"## Python {found['python']}",
        "",
        "| package | " + " | ".join(KINDS) + " | what stands in the way |",
        "| --- |" + " --- |" * (len(KINDS) + 1),
    ]
    for package, its in found["packages"].items():
        kinds = its["kinds"]
        whys = dict.fromkeys(f"{kind}: {kinds[kind][1]}" for kind in KINDS if kinds[kind][1])
        reasons = "; ".join(whys).replace("|", "\\|")
        cells = [f"{package} {its['version']}", *(kinds[kind][0] for kind in KINDS), reasons]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("pythons", nargs="*", help="executables of Pythons, each for a table")
    options = parser.parse_args()
    if options.inside is not None:
        print(json.dumps(inside(options.inside)))
        return
    tables = []
    for python in options.pythons:
        print(f"Trying {len(PACKAGES)} packages with {python}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            tables.append(table(outside(python, Path(folder))))
    TABLE.write_text("\n".join([HEAD, *tables]))
    print(f"Wrote {TABLE}", file=sys.stderr)


if __name__ == "__main__":
    main()
