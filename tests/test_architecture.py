"""The house: floors, circles, sizes, and what each place may know (`support.architecture` has the rules).

The order is that of the road: ``ipc`` and ``system`` know bytes and descriptors only, ``api`` is what applications
touch, ``modules`` stand on it, ``phases`` on these, and the processes on top.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support import architecture
from support.architecture import FLOORS, House, house_of, place

ROOT = Path(__file__).resolve().parent.parent
HOUSE = house_of(ROOT)
SOURCES = sorted(name for name in HOUSE.sources if name.startswith("mpserver"))
BESIDE = sorted(name for name in HOUSE.sources if name.startswith("mod_python"))

#: What places may import beside the standard library: they load in interpreters with a GIL of their own, which
#: extension modules of others may refuse. mod_python's forms need ``multipart``, and its RedisSession ``redis``.
THIRD_PARTY = {"mod_python": {"multipart", "redis"}, "mpserver.system": {"psutil", "setproctitle"}}
#: What begins an interpreter, on a floor above it.
BEGINNING = {f"mpserver.interpreters.{name}" for name in ("limited", "run", "threaded")}
#: The places of the master alone.
MASTERS = {"mpserver.master", "mpserver.supervisor"}
#: The processes that get certificates, and export traces, which serve nobody: they have libraries of their own.
APART = {"mpserver.certificates", "mpserver.telemetry"}
#: The modules that interpreters load: all up to an interpreter's life, but the master's.
LOADED = [
    name
    for name in SOURCES
    if name in BEGINNING or (FLOORS[place(name)] <= FLOORS["mpserver.interp"] and place(name) not in MASTERS | APART)
]

#: Of the standard library, what each interpreter would pay for at its creation.
HEAVY = {
    "asyncio", "dataclasses", "email", "http", "logging", "urllib.request", "xml", "ssl", "pydoc", "unittest",
    "traceback", "subprocess", "pickle", "glob", "pathlib", "typing", "urllib.parse", "ipaddress", "sysconfig",
    "random", "contextlib",
}  # fmt: skip
#: Loaded only where it is wanted: by the master and for status pages, for pages with server side includes, for requests
#: that go on elsewhere.
ON_DEMAND = {
    "mpserver.ipc.history",
    "mpserver.modules.expressions",
    *(f"mpserver.modules.include.{name}" for name in ("filter", "page", "tags", "variables")),
    "mpserver.phases.transfer",
    "mpserver.serving.luggage",
}


def is_light(house: House, name: str) -> list[str]:
    """The imports of a module that an interpreter should not have to pay for: import them in the function."""
    known = sys.stdlib_module_names | {"mpserver", "mod_python"} | THIRD_PARTY.get(place(name), set())
    light = name.startswith("mpserver") and name not in ON_DEMAND
    return [*(architecture.heavy(house, name, HEAVY) if light else ()), *architecture.foreign(house, name, known)]


#: The rules for each module, and which modules they are for.
RULES: dict[str, tuple[Callable[[House, str], list[str]], set[str]]] = {
    "imports go down": (architecture.upward, {*SOURCES, *BESIDE}),
    "the engine meets mod_python by the handler's name alone": (architecture.by_name, {*SOURCES}),
    "mod_python stands on the API": (architecture.beside_the_api, {*BESIDE}),
    "what interpreters import is light": (is_light, {*LOADED, *BESIDE}),
    "files stay readable; a long one wants to be two": (architecture.too_long, {*SOURCES, *BESIDE}),
    "folders say what lives there": (architecture.unsaid, {*HOUSE.packages}),
    "private names stay in their modules": (architecture.private, {*SOURCES, *BESIDE}),
    "no state of modules, and no bare except": (architecture.stateful, {*SOURCES, *BESIDE}),
}


def test_each_module_keeps_the_rules() -> None:
    """All in one test, which reads each module once: there are thousands of pairs of a module and a rule."""
    assert all(names for _rule, names in RULES.values())
    broken: dict[str, list[str]] = {}
    for name in sorted({*SOURCES, *BESIDE, *HOUSE.packages}):
        for told, (rule, names) in RULES.items():
            if name in names and (lines := rule(HOUSE, name)):
                broken.setdefault(told, []).extend(lines)
    assert broken == {}


def test_no_modules_import_each_other() -> None:
    assert architecture.circles(HOUSE) == []


def test_the_top_of_the_package_is_for_what_everybody_knows() -> None:
    assert architecture.misplaced(HOUSE) == []


def test_the_page_has_the_floors() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    told = {
        (name if name == "mod_python" else f"mpserver.{name}"): int(floor)
        for floor, places in re.findall(r"^\| (\d+) \| (.*?) \|", page, re.MULTILINE)
        for name in re.findall(r"`(\w+)(?:/|\.py)`", places)
    }
    assert {"mpserver": 0, **told} == FLOORS


# ---- the rules themselves: each sees that it is broken


def built(**sources: str) -> House:
    """A small house; in the names of modules ``__`` stands for a dot."""
    named = {name.replace("__", "."): source for name, source in sources.items()}
    return House({"mpserver": "", **named}, frozenset({"mpserver"}))


@pytest.mark.parametrize(
    "source",
    [
        "import mpserver.phases.plan",
        "from mpserver.phases import plan",
        "from mpserver.phases.plan import Plan",
        "def f():\n    from mpserver.phases.plan import Plan",
        "from mpserver.typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mpserver.phases.plan import Plan",
        "from mpserver import worker",
        "from ..phases import plan",
        "import importlib\n\ndef f():\n    importlib.import_module('mpserver.phases.plan')",
        "from mpserver import lazy\n\nplan = lazy.module('mpserver.phases.plan')",
        "from mod_python import apache",
    ],
)
def test_an_import_from_above_is_seen(source: str) -> None:
    house = built(mpserver__api__request=source, mpserver__phases__plan="", mpserver__worker="", mod_python__apache="")
    assert len(architecture.upward(house, "mpserver.api.request")) == 1


def test_an_import_from_the_neighbour_is_seen() -> None:
    house = built(mpserver__config__tree="from mpserver.http1 import head", mpserver__http1__head="")
    assert len(architecture.upward(house, "mpserver.config.tree")) == 1


@pytest.mark.parametrize("top", ["mpserver.master", "mpserver.worker", "mpserver.interp", "mpserver.locks"])
def test_an_import_from_above_is_seen_in_the_top_folder(top: str) -> None:
    house = built(**{top.replace(".", "__"): "from mpserver.cli import main", "mpserver__cli__main": ""})
    assert len(architecture.upward(house, top)) == 1


def test_imports_from_below_are_fine() -> None:
    house = built(mpserver__phases__plan="from mpserver.api import request", mpserver__api__request="import os")
    assert architecture.upward(house, "mpserver.phases.plan") == []


@pytest.mark.parametrize(
    "how", ["{}", "def f():\n    {}", "from mpserver.typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}"]
)
def test_a_circle_is_seen(how: str) -> None:
    house = built(
        mpserver__api__a=how.format("from mpserver.api import b"),
        mpserver__api__b="from mpserver.api.c import x",
        mpserver__api__c="import mpserver.api.a",
        mpserver__api__d="import mpserver.api.a",
    )
    assert architecture.circles(house) == ["mpserver.api.a, mpserver.api.b, mpserver.api.c"]


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (architecture.by_name, "mpserver.phases.x", "from mod_python import apache"),
        (architecture.beside_the_api, "mod_python.x", "from mpserver.phases import plan"),
        (architecture.beside_the_api, "mod_python.x", "def f():\n    import mpserver.locks"),
        (architecture.too_long, "mpserver.api.x", "x = 1\n" * 451),
        (architecture.private, "mpserver.api.x", "def f():\n    from mpserver.api.y import _hidden"),
        (architecture.unsaid, "mpserver.api", ""),
        (architecture.unsaid, "mpserver.api", '"""api"""'),
        (architecture.stateful, "mpserver.api.x", "try:\n    pass\nexcept:\n    pass"),
        (architecture.stateful, "mpserver.api.x", "def f():\n    global x"),
        (architecture.stateful, "mpserver.api.x", "_seen = {}\n\ndef f(x):\n    _seen[x] = 1"),
        (architecture.stateful, "mpserver.api.x", "_seen: list[int] = []\n\ndef f(x):\n    _seen.append(x)"),
        (architecture.stateful, "mpserver.api.x", "_last = Last()\n\nclass C:\n    def f(self):\n        _last.x = 1"),
    ],
)
def test_what_breaks_a_rule_is_seen(rule: Callable[[House, str], list[str]], name: str, source: str) -> None:
    assert len(rule(built(**{name.replace(".", "__"): source}), name)) == 1


def test_a_name_of_its_own_is_no_state() -> None:
    source = "_seen = {}\n\ndef f(x):\n    _seen = {}\n    _seen[x] = 1\n\ndef g(_seen):\n    _seen.clear()"
    assert architecture.stateful(built(mpserver__api__x=source), "mpserver.api.x") == []


def test_a_folder_without_a_word_is_seen(tmp_path: Path) -> None:
    (tmp_path / "mpserver" / "depot" / "inner").mkdir(parents=True)
    (tmp_path / "mpserver" / "depot" / "inner" / "x.py").touch()
    house = house_of(tmp_path)
    silent = [line for name in sorted(house.packages) for line in architecture.unsaid(house, name)]
    assert [line.split()[0] for line in silent] == ["mpserver", "mpserver.depot", "mpserver.depot.inner"]


@pytest.mark.parametrize(
    "source", ["import urllib.parse", "from urllib.parse import quote", "from urllib import parse", "import xml.sax"]
)
def test_a_heavy_import_is_seen(source: str) -> None:
    house = built(mpserver__api__x=source, mpserver__api__y=f"def f():\n    {source}", mpserver__api__z="import urllib")
    assert len(architecture.heavy(house, "mpserver.api.x", {"urllib.parse", "xml"})) == 1
    assert architecture.heavy(house, "mpserver.api.y", {"urllib.parse", "xml"}) == []
    assert architecture.heavy(house, "mpserver.api.z", {"urllib.parse", "xml"}) == []


def test_an_import_from_others_is_seen() -> None:
    house = built(mpserver__api__x="import os\n\ndef f():\n    from somebodys.library import thing")
    assert architecture.foreign(house, "mpserver.api.x", {"os"}) == [
        "mpserver.api.x line 4 imports somebodys.library.thing"
    ]


def test_a_file_in_the_wrong_place_is_seen() -> None:
    assert architecture.misplaced(built(mpserver__porter="")) == ["mpserver.porter belongs into a folder"]


def test_the_house_is_the_projects_own() -> None:
    assert {"mpserver.worker", "mpserver.api.request", "mod_python.apache"} <= set(HOUSE.sources)
    assert "mpserver.config.settings" in {i.name for i in HOUSE.imports("mpserver.config.registry")}
