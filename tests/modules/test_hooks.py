"""How modules take part: which are asked, in what order, and that nothing else of them is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from modules.scopes import Scope, in_directory
from mpserver.config.settings import Conf
from mpserver.modules.all import TABLE, load_hooks, registry
from mpserver.modules.hook_table import HookTable
from mpserver.modules.known import PACKAGE, Known, Order, Part

ALWAYS = {known.folder for known in TABLE if known.hooks is Part.ALWAYS}


def test_the_table_is_complete() -> None:
    """Each folder of modules is in the table (but for the MPMs, of which one is chosen), and has what that says."""
    folders = {path.parent.name for path in Path(sys.modules[PACKAGE].__path__[0]).glob("*/directives.py")}
    assert {known.folder for known in TABLE if known.folder} == folders - {"mpm"}
    load_hooks()
    for known in TABLE:
        has_hooks = f"{PACKAGE}.{known.folder}.hooks" in sys.modules and bool(known.folder)
        assert has_hooks is (known.hooks is not Part.NEVER), known


@pytest.mark.parametrize(
    ("lines", "folders"),
    [
        ((), set()),
        (("SetHandler x", "AddType a/b .c"), set()),
        (("Require all granted",), {"authz_core"}),
        (("AuthName x",), {"authn_core"}),
        (("PythonDebug On",), {"python"}),
        (("PythonInterpPreload app",), {"python"}),
        (("XBitHack On", "AddOutputFilterByType X a/b"), {"include", "filter"}),
    ],
)
def test_modules_take_part_where_they_are_configured(lines: tuple[str, ...], folders: set[str]) -> None:
    assert HookTable(TABLE).active(in_directory(*lines), Conf()) == ALWAYS | folders


def test_settings_of_the_server_count() -> None:
    server = Scope().say('CustomLog /dev/null "%h"', "Alias /a /srv/a", "User nobody", "Timeout 5").server
    assert HookTable(TABLE).active(Conf(), server) == ALWAYS | {"log_config", "alias"}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> HookTable:
    """Four modules, each with one hook."""
    for folder, order in (("a", Order.LAST), ("b", Order.MIDDLE), ("c", None), ("d", Order.FIRST)):
        module: Any = ModuleType(f"{PACKAGE}.{folder}.hooks")
        module.fixups = lambda conf, folder=folder: folder if folder != "c" or conf.values else None
        if order is not None:
            module.ORDER = {"fixups": order}
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return HookTable([Known(f"mod_{name}.c", f"{name}_module", name, Part.ALWAYS) for name in "abcd"])


def test_the_order_is_first_middle_last_and_then_that_of_the_table(table: HookTable) -> None:
    assert table.ask(table.active(), "fixups", in_directory("AuthName x")) == ("d", "b", "c", "a")
    assert table.ask(table.active(), "type_checker", Conf()) == ()


def test_who_answers_none_has_no_part(table: HookTable) -> None:
    assert table.ask(table.active(), "fixups", Conf()) == ("d", "b", "a")


SMALL = """
import json, sys
from mpserver.api.loader import Loader
from mpserver.config.configuration import load
from mpserver.modules.all import registry
from mpserver.phases.pipeline import Pipeline
from mpserver.phases.survey import finish

configuration = finish(load(sys.argv[1], registry(), root="/"))
# (what finishing loads counts, too)
before = {name for name in sys.modules if name.count(".") < 3 or not name.endswith(".hooks")}
pipeline = Pipeline(configuration, {}, 1, Loader(), {})
host = pipeline.planner.host(configuration.main)
plan = pipeline.planner.locate(host, sys.argv[2]).plan
print(json.dumps([len(plan.steps), sorted(name for name in set(sys.modules) - before if "modules" in name)]))
"""


@pytest.mark.parametrize(
    ("conf", "path", "steps", "folders"),
    [
        ("<Location /x>\nSetHandler mod_python\nPythonHandler app\n</Location>\n", "/x", 1, {"python"}),
        ("", "/x", 1, set()),
        ("Alias /x /srv\n", "/x", 1, {"alias"}),
        ("<Location /x>\nRequire valid-user\nAuthType Basic\n</Location>\n", "/x", 2, {
            "authn_core", "authz_core", "auth_basic"}),
    ],
)  # fmt: skip
def test_a_plan_has_what_is_configured_and_loads_no_more(
    tmp_path: Path, conf: str, path: str, steps: int, folders: set[str]
) -> None:
    file = tmp_path / "x.conf"
    file.write_text(f"DocumentRoot {tmp_path}\n{conf}")
    told = subprocess.run([sys.executable, "-c", SMALL, str(file), path], capture_output=True, text=True, check=True)
    found, names = json.loads(told.stdout)
    hooks = {name.split(".")[2] for name in names if name.endswith(".hooks")}
    assert (found, hooks) == (steps, ALWAYS | folders)
    others = {name for name in names if not name.endswith(".hooks") and f"{PACKAGE}.python." not in name}
    assert others == set(), "what is not a hook is loaded with the first request that needs it"


def test_modules_are_known_by_their_names() -> None:
    names = {(module.source, module.name) for module in registry().built_in}
    assert {(known.source, known.name) for known in TABLE} < names
