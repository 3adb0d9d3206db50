"""The loader of handlers (manual 5.4.8, 5.4.11; api 3.5 1.8): where modules come from, and when they load again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpserver.api import runtime
from mpserver.api.loader import RECHECK_AFTER, Loader, resolve_object

#: Names that no other test has.
NAMES = ("first_of_loader", "second_of_loader", "third_of_loader", "package_of_loader")


class Site:
    """Folders of modules, a loader, and a clock that goes on when the test says so."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log: list[str] = []
        self.loader = Loader(lambda level, text: self.log.append(text))
        self.now = 1e9
        self.writes = 0

    def write(self, path: str, text: str, *, same_time: bool = False) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.stat().st_mtime_ns if file.exists() else 0
        file.write_text(text)
        self.writes += 1
        stamp = before if same_time else 10**18 + self.writes * 10**9
        os.utime(file, ns=(stamp, stamp))

    def load(self, name: str, folder: str = "a", reload: bool = True) -> dict[str, object]:
        """A handler's module, as the next request has it some time later."""
        self.now += RECHECK_AFTER
        return self.loader.load(name, str(self.root / folder) + "/", reload, self.now).module.__dict__

    def import_module(self, name: str, autoreload: int = 1, log: int = 0, path: list[str] | None = None) -> object:
        """`apache.import_module`."""
        return self.loader.import_module(name, bool(autoreload), bool(log), path)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    before = list(sys.path)
    made = Site(tmp_path)
    monkeypatch.setattr("mpserver.api.loader.time.time", lambda: made.now)
    runtime.lend(cast(Any, SimpleNamespace(import_module=made.import_module)))
    yield made
    runtime._lent.clear()
    sys.path[:] = before
    for name in [n for n in sys.modules if n.startswith(NAMES)]:
        del sys.modules[name]


FIRST, SECOND, THIRD, PACKAGE = NAMES


def test_the_handlers_folder_comes_first(site: Site) -> None:
    site.write(f"path/{FIRST}.py", "x = 'path'")
    site.write(f"a/{FIRST}.py", "x = 'a'")
    sys.path.insert(0, str(site.root / "path"))
    assert site.load(FIRST)["x"] == "a"


def test_one_name_in_two_folders(site: Site) -> None:
    site.write(f"a/{FIRST}.py", f"import {SECOND}\nx = 'a' + {SECOND}.x")
    site.write(f"a/{SECOND}.py", "x = '1'")
    site.write(f"b/{FIRST}.py", "x = 'b'")
    assert [site.load(FIRST, folder)["x"] for folder in ("a", "b", "a")] == ["a1", "b", "a1"]
    site.write(f"a/{FIRST}.py", "x = 'changed'")
    assert [site.load(FIRST, folder)["x"] for folder in ("b", "a")] == ["b", "changed"]


def test_packages(site: Site) -> None:
    site.write(f"a/{PACKAGE}/__init__.py", "")
    site.write(f"a/{PACKAGE}/inner.py", "x = 1")
    assert site.load(f"{PACKAGE}.inner")["x"] == 1
    site.write(f"a/{PACKAGE}/inner.py", "x = 2")
    assert site.load(f"{PACKAGE}.inner")["x"] == 2


def test_a_change_is_seen_by_time_stamp_and_by_size(site: Site) -> None:
    site.write(f"a/{FIRST}.py", "x = 1")
    assert site.load(FIRST)["x"] == 1
    site.write(f"a/{FIRST}.py", "x = 2")
    os.utime(site.root / f"a/{FIRST}.py", ns=(5, 5))  # older than before: a change all the same
    assert site.load(FIRST)["x"] == 2
    site.write(f"a/{FIRST}.py", "x = 33", same_time=True)
    assert site.load(FIRST)["x"] == 33


def test_a_module_whose_file_is_gone_is_gone(site: Site) -> None:
    file = site.root / f"a/{FIRST}.py"
    site.write(f"a/{FIRST}.py", "x = 1")
    assert site.load(FIRST)["x"] == 1
    file.unlink()
    folder = str(site.root / "a") + "/"
    assert site.loader.load(FIRST, folder, True, site.now + RECHECK_AFTER / 2).module.__dict__["x"] == 1
    assert site.load(FIRST, reload=False)["x"] == 1
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match=FIRST):
            site.load(FIRST)
    site.write(f"a/{FIRST}.py", "x = 2")
    assert site.load(FIRST)["x"] == 2
    assert [name for name, _, _ in site.loader.loaded_modules] == [FIRST]


def test_a_module_that_moved_is_found(site: Site) -> None:
    site.write(f"a/{PACKAGE}/__init__.py", "x = 1")
    site.write(f"a/{PACKAGE}/inner.py", "x = 2")
    assert site.load(f"{PACKAGE}.inner")["x"] == 2
    (site.root / f"a/{PACKAGE}/inner.py").unlink()
    site.write(f"a/{PACKAGE}/inner/__init__.py", "x = 3")
    assert site.load(f"{PACKAGE}.inner")["x"] == 3


def test_who_imports_what_is_gone_fails(site: Site) -> None:
    site.write(f"a/{FIRST}.py", f"from mod_python import apache\nx = apache.import_module('{SECOND}').x")
    site.write(f"a/{SECOND}.py", "x = 1")
    assert site.load(FIRST)["x"] == 1
    (site.root / f"a/{SECOND}.py").unlink()
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match=SECOND):
            site.load(FIRST)
    site.write(f"a/{SECOND}.py", "x = 2")
    assert site.load(FIRST)["x"] == 2


def test_files_are_looked_at_once_a_second(site: Site) -> None:
    site.write(f"a/{FIRST}.py", "x = 1")
    site.load(FIRST)
    site.write(f"a/{FIRST}.py", "x = 2")
    folder = str(site.root / "a") + "/"
    assert site.loader.load(FIRST, folder, True, site.now + RECHECK_AFTER / 2).module.__dict__["x"] == 1
    assert site.load(FIRST, reload=False)["x"] == 1
    assert site.load(FIRST)["x"] == 2


def test_a_reload_keeps_what_the_module_does_not_set(site: Site) -> None:
    site.write(f"a/{FIRST}.py", "x = 1")
    module = site.load(FIRST)
    module["counter"] = 5
    site.write(f"a/{FIRST}.py", "x = 2")
    again = site.load(FIRST)
    assert again is module
    assert (again["x"], again["counter"]) == (2, 5)


def test_what_a_handler_module_imported_is_loaded_again_with_it(site: Site) -> None:
    """Through `apache.import_module`, over two steps; what was taken out of the module is taken anew."""
    site.write(f"a/{FIRST}.py", f"from mod_python import apache\nm = apache.import_module('{SECOND}')\nx = m.x\n")
    site.write(f"a/{SECOND}.py", f"from mod_python import apache\nm = apache.import_module('{THIRD}')\nx = m.x\n")
    site.write(f"a/{THIRD}.py", "x = 'old'")
    assert site.load(FIRST)["x"] == "old"
    site.write(f"a/{THIRD}.py", "x = 'new'")
    assert site.load(FIRST)["x"] == "new"
    loaded = site.loader.load(FIRST, str(site.root / "a") + "/", True, site.now)
    version = loaded.version
    site.load(FIRST)
    assert loaded.version == version, "nothing has changed"


def test_what_was_imported_without_autoreload_is_not(site: Site) -> None:
    text = f"from mod_python import apache\nx = apache.import_module('{SECOND}', autoreload=0).x\n"
    site.write(f"a/{FIRST}.py", text)
    site.write(f"a/{SECOND}.py", "x = 1")
    assert site.load(FIRST)["x"] == 1
    site.write(f"a/{SECOND}.py", "x = 2")
    assert site.load(FIRST)["x"] == 1


def test_modules_that_import_each_other(site: Site) -> None:
    text = "from mod_python import apache\nm = apache.import_module('{}')\nx = {}\n"
    site.write(f"a/{FIRST}.py", text.format(SECOND, 1))
    site.write(f"a/{SECOND}.py", text.format(FIRST, 1))
    assert site.load(FIRST)["x"] == 1
    site.write(f"a/{SECOND}.py", text.format(FIRST, 2))
    assert site.load(FIRST)["m"].x == 2  # type: ignore[attr-defined]


def test_a_syntax_error_is_found_once_per_change(site: Site) -> None:
    site.write(f"a/{FIRST}.py", "x = = 1")
    with pytest.raises(SyntaxError) as first:
        site.load(FIRST)
    assert site.loader.repeated is not first.value
    with pytest.raises(SyntaxError) as again:
        site.load(FIRST)
    assert again.value is first.value is site.loader.repeated
    site.write(f"a/{FIRST}.py", "x = = 2")
    with pytest.raises(SyntaxError) as other:
        site.load(FIRST)
    assert other.value is not site.loader.repeated
    site.write(f"a/{FIRST}.py", "x = 2")
    assert site.load(FIRST)["x"] == 2
    site.write(f"a/{FIRST}.py", "x = = 3")
    for repeated in (False, True, True):
        with pytest.raises(SyntaxError) as error:
            site.load(FIRST)
        assert (error.value is site.loader.repeated) is repeated
    site.write(f"a/{FIRST}.py", "x = 4")
    assert site.load(FIRST)["x"] == 4


def test_a_syntax_error_in_an_imported_file(site: Site) -> None:
    site.write(f"a/{FIRST}.py", f"import {SECOND}\nx = 1")
    site.write(f"a/{SECOND}.py", "y = = 1")
    for repeated in (False, True):
        with pytest.raises(SyntaxError) as error:
            site.load(FIRST)
        assert (error.value is site.loader.repeated) is repeated
    site.write(f"a/{SECOND}.py", "y = 1")
    assert site.load(FIRST)["x"] == 1


def test_a_module_that_fails_is_tried_by_each_request(site: Site) -> None:
    site.write(f"a/{FIRST}.py", "raise ValueError")
    for _ in range(2):
        with pytest.raises(ValueError):
            site.load(FIRST)
    site.write(f"a/{FIRST}.py", "x = 1")
    assert site.load(FIRST)["x"] == 1


def test_import_module(site: Site) -> None:
    """Its arguments: autoreload, log, path."""
    site.write(f"a/{FIRST}.py", "x = 1")
    folder = [str(site.root / "a")]
    with pytest.raises(ModuleNotFoundError):
        site.import_module(FIRST)
    with pytest.raises(ModuleNotFoundError):
        site.import_module(FIRST, path=[str(site.root / "b")])
    module = site.import_module(FIRST, log=1, path=folder)
    assert site.log == [f"mod_python: (Re)importing module '{FIRST}' with path set to '{folder}'"]
    site.write(f"a/{FIRST}.py", "x = 2")
    site.now += RECHECK_AFTER
    assert site.import_module(FIRST, autoreload=0, path=folder).x == 1  # type: ignore[attr-defined]
    assert site.import_module(FIRST, log=1, path=folder) is module
    assert module.x == 2  # type: ignore[attr-defined]
    assert site.log[1:] == [f"mod_python: (Re)importing module '{FIRST}'"]


def test_python_path(site: Site) -> None:
    """It replaces `sys.path`; handlers' folders don't come in."""
    site.write(f"c/{FIRST}.py", "x = 'c'")
    site.write(f"a/{FIRST}.py", "x = 'a'")
    before = list(sys.path)
    site.loader.use_path(f"sys.path + [{str(site.root / 'c')!r}]")
    assert sys.path == [*before, str(site.root / "c")]
    assert site.loader.load(FIRST, None, True, site.now).module.__dict__["x"] == "c"
    site.loader.use_path(f"[{str(site.root / 'a')!r}]")
    assert sys.path == [str(site.root / "a")]
    sys.path[:] = before


def test_the_path_is_left_alone_while_a_module_loads(site: Site) -> None:
    """Its neighbours are found by the thread that loads it alone: others serve requests meanwhile."""
    site.write(f"a/{SECOND}.py", "x = 'neighbour'")
    site.write(
        f"a/{FIRST}.py",
        f"import sys, threading\nfrom importlib.util import find_spec\nimport {SECOND}\n"
        "path, found = list(sys.path), []\n"
        f"thread = threading.Thread(target=lambda: found.append(find_spec('{THIRD}')))\n"
        f"thread.start()\nthread.join()\nfound.append(find_spec('{THIRD}') is not None)",
    )
    site.write(f"a/{THIRD}.py", "")
    before = list(sys.path)
    module: Any = site.import_module(FIRST, path=[str(site.root / "a")])
    assert getattr(module, SECOND).x == "neighbour"
    assert (module.path, sys.path) == (before, before)
    assert module.found == [None, True]


def test_what_a_module_puts_on_the_path_comes_before_its_neighbours(site: Site) -> None:
    site.write(f"a/{SECOND}.py", "x = 'neighbour'")
    site.write(f"c/{SECOND}.py", "x = 'meant'")
    site.write(f"a/{FIRST}.py", f"import sys\nsys.path.insert(0, {str(site.root / 'c')!r})\nimport {SECOND}")
    module: Any = site.load(FIRST)[SECOND]
    assert module.x == "meant"
    assert sys.path[:2] == [str(site.root / "c"), f"{site.root}/a/"]


def test_sections_with_paths_take_turns(site: Site) -> None:
    """Each path keeps what modules have put on it, and modules of one name are two modules."""
    one, two = (f"[{str(site.root / name)!r}]" for name in ("a", "c"))
    site.write(f"a/{FIRST}.py", "import sys\nsys.path.append('/put/by/a')\nx = 'a'")
    site.write(f"c/{FIRST}.py", "x = 'c'")
    before = list(sys.path)
    try:
        for _round in range(2):
            for path, x, left in ((one, "a", [str(site.root / "a"), "/put/by/a"]), (two, "c", [str(site.root / "c")])):
                assert site.loader.load(FIRST, None, True, site.now, path).module.__dict__["x"] == x
                assert sys.path == left
    finally:
        sys.path[:] = before


def test_dotted_objects() -> None:
    class Handlers:
        def __init__(self, argument: object) -> None:
            self.argument = argument

    module = SimpleNamespace(Handlers=Handlers)
    assert resolve_object(module, "Handlers.argument", 5) == 5
    assert resolve_object(module, "Handlers", 5) is Handlers
    assert resolve_object(module, "missing", 5, silent=True) is None
    with pytest.raises(AttributeError, match=r"contains no 'Handlers\.missing'"):
        resolve_object(module, "Handlers.missing", 5)
