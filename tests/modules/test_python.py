"""The Python directives: what handlers they make, and where these belong."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from modules.scopes import Scope, within
from mpserver.config.registry import Section, Where
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError
from mpserver.modules import core, python
from mpserver.modules.python import HANDLERS, HandlerSpec, directory_for

PHASES = (*python.EARLY_PHASES, *python.LATE_PHASES)


def handlers(scope: Scope, phase: str = "PythonHandler") -> tuple[HandlerSpec, ...]:
    return scope.conf[HANDLERS][phase]


def test_handlers_add_up_within_a_scope_and_replace_the_outer_ones() -> None:
    outer = Scope().say("PythonHandler a b::c.d", "PythonHandler e", "PythonLogHandler l").conf
    inner = within("Directory", "/srv/").say("PythonHandler f").conf
    assert [spec.handler for spec in outer[HANDLERS]["PythonHandler"]] == ["a", "b::c.d", "e"]
    merged = outer.merged(inner)[HANDLERS]
    assert [spec.handler for spec in merged["PythonHandler"]] == ["f"]
    assert [spec.handler for spec in merged["PythonLogHandler"]] == ["l"]
    assert [spec.handler for spec in outer[HANDLERS]["PythonHandler"]] == ["a", "b::c.d", "e"]


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase(phase: str) -> None:
    assert handlers(Scope().say(f"{phase} mod::f"), phase) == (HandlerSpec("mod::f", None),)


@pytest.mark.parametrize(
    "line",
    ["PythonHandler a b | .py .html", "PythonHandler a b |.py .html", 'PythonHandler "a b | .py .html"'],
)
def test_extensions(line: str) -> None:
    assert [(s.handler, s.extensions) for s in handlers(Scope().say(line))] == [
        ("a", (".py", ".html")),
        ("b", (".py", ".html")),
    ]


@pytest.mark.parametrize(
    ("kind", "path", "directory", "is_location"),
    [
        ("Directory", "/srv/www/", "/srv/www/", False),
        ("Directory", "/", "/", False),
        ("htaccess", "/srv/a*b/", "/srv/a*b/", False),
        ("Location", "/app", "/app", True),
        ("Location", "/a*p", "/a*p", True),
        ("LocationMatch", "^/a.p", "^/a.p", True),
        ("Files", "x.py", None, False),
    ],
)
def test_places(kind: str, path: str, directory: str | None, is_location: bool) -> None:
    (spec,) = handlers(within(kind, path).say("PythonHandler m"))
    assert (spec.directory, spec.is_location, spec.pattern) == (directory, is_location, None)


class Nested(NamedTuple):
    """A section that knows the one around it."""

    kind: str
    path: str
    parent: Section


@pytest.mark.parametrize(
    ("outer", "directory"),
    [(Section("Directory", "/srv/www/"), "/srv/www/"), (Section("htaccess", "/h/"), "/h/")],
)
def test_files_have_the_directory_around_them(outer: Section, directory: str) -> None:
    scope = Scope(Nested("Files", "x.py", outer), Where.DIRECTORY)  # type: ignore[arg-type]
    assert handlers(scope.say("PythonHandler m"))[0].directory == directory


@pytest.mark.parametrize(
    ("kind", "path", "filename", "directory"),
    [
        ("Directory", "/srv/*/app/", "/srv/x/app/deep/f.py", "/srv/x/app/"),
        ("Directory", "/srv/*/", "/srv/x/y/f.py", "/srv/x/"),
        ("Directory", "/srv/*/", "/srv/x", "/srv/x/"),
        ("DirectoryMatch", "^/srv/[ab]/", "/srv/b/c/f.py", "/srv/b/"),
        ("DirectoryMatch", r"/f\.py$", "/srv/cgi/f.py", "/srv/cgi/"),
        ("DirectoryMatch", "/c.i/$", "/srv/cgi/cxi/f.py", "/srv/cgi/"),
        ("Directory", "^/srv/[ab]/", "/srv/b/c/f.py", "/srv/b/"),
        ("Directory", "/srv/*/", None, None),
    ],
)
def test_directories_of_patterns(kind: str, path: str, filename: str | None, directory: str | None) -> None:
    (spec,) = handlers(within(kind, path).say("PythonHandler m"))
    assert spec.directory is None
    assert spec.pattern
    assert directory_for(spec, filename) == directory


def test_the_directory_of_a_plain_section_needs_no_file() -> None:
    (spec,) = handlers(within("Directory", "/srv/").say("PythonHandler m"))
    assert directory_for(spec, None) == directory_for(spec, "/elsewhere/x") == "/srv/"


@pytest.mark.parametrize(
    ("line", "extensions", "message"),
    [
        ("PythonHandler | .py", None, 'no handler before the "|"'),
        ("PythonHandlerModule | .py", None, 'no handler before the "|"'),
        ("PythonHandler a |", (), 'no extension after the "|"'),
        ("PythonHandler a | py", ("py",), 'no file has the extension "py", which must begin with a dot'),
        ("PythonHandler a | .x | .y", (".x", ".y"), 'more than one "|"'),
    ],
)
def test_extensions_that_were_hardly_meant(line: str, extensions: tuple[str, ...] | None, message: str) -> None:
    scope = Scope().say(line)
    (warning,) = scope.warnings
    assert message in warning
    assert warning.endswith("(line 1 of test.conf)")
    found = scope.conf[HANDLERS].get("PythonHandler", ())
    assert [spec.extensions for spec in found] == ([] if extensions is None else [extensions])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("PythonHandler", "needs a handler"),
        ("PythonHandler a:b", "write module or module::object"),
        ("PythonHandler a::", "write module or module::object"),
        ("PythonHandler a::b::c", "write module or module::object"),
        ("PythonHandlerModule a::b", "takes modules"),
        ("PythonTransHandler a | .x", 'PythonTransHandler does not accept "| .ext" syntax'),
        (
            "PythonPostReadRequestHandler a | .x",
            'PythonPostReadRequestHandler does not accept "| .ext" syntax',
        ),
        ('PythonPath "["', "is no Python expression"),
        ('PythonPath "sys.path; 1"', "is no Python expression"),
        ("PythonImport a:b main_interpreter", "write module or module::function"),
        ("PythonInterpBackend thread", "must be one of: auto, own, shared, process, main"),
        ("PythonOption mod_python.mutex_locks 0", "must be a whole number from 1"),
        ('PythonInterpreter ""', "takes one argument"),
        ('PythonImport a ""', "takes two arguments"),
    ],
)
def test_faults(line: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Scope().say(line)
    assert message in caught.value.message


def test_handler_module_serves_every_phase_silently() -> None:
    found = Scope().say("PythonHandlerModule m").conf[HANDLERS]
    assert set(found) == set(PHASES)
    assert set(found.values()) == {(HandlerSpec("m", None, silent=True),)}


def test_handler_module_in_a_directory_has_no_early_phases() -> None:
    found = within("Directory", "/srv/").say("PythonHandler a", "PythonHandlerModule m | .x").conf[HANDLERS]
    assert set(found) == set(python.LATE_PHASES)
    assert found["PythonHandler"] == (
        HandlerSpec("a", "/srv/"),
        HandlerSpec("m", "/srv/", extensions=(".x",), silent=True),
    )


def test_options_and_their_removal() -> None:
    server = Scope().say("PythonOption a 1", "PythonOption b 2", "PythonOption c 3", "PythonOption c")
    assert python.options(server.conf) == {"a": "1", "b": "2"}
    assert python.options(server.server, python.SERVER_OPTIONS) == {"a": "1", "b": "2"}
    middle = within("Directory", "/").say("PythonOption a", 'PythonOption b ""', "PythonOption d 4").conf
    inner = within("Location", "/").say("PythonOption b 5").conf
    assert python.options(server.conf.merged(middle)) == {"d": "4"}
    assert python.options(server.conf.merged(middle).merged(inner)) == {"b": "5", "d": "4"}
    assert python.options(server.conf.merged(middle.merged(inner))) == {"b": "5", "d": "4"}


def test_options_of_sections_are_not_the_servers() -> None:
    assert python.SERVER_OPTIONS not in within("Directory", "/").say("PythonOption a 1").server


@pytest.mark.parametrize("name", ["mod_python.dbm_session.database_filename", "session_dbm"])
def test_a_database_where_others_can_write_is_warned_of(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "sessions"
    line = f"PythonOption {name} {folder}/x.dbm"
    (warning,) = Scope().say(line).warnings
    told = f"PythonOption {name}: the folder {folder} of the sessions' database"
    assert warning == f"{told}: No such file or directory (line 1 of test.conf)"
    folder.mkdir()
    for mode, count in ((0o700, 0), (0o755, 0), (0o1777, 0), (0o777, 1), (0o775, 1)):
        folder.chmod(mode)
        assert len(Scope().say(line).warnings) == count
    assert "others can write to the folder" in Scope().say(line).warnings[0]
    assert not Scope().say(f"PythonOption {name}", f"PythonOption x {folder}/none/x").warnings


def test_config_tells_what_was_set() -> None:
    assert python.python_config(Conf()) == {}
    lines = ("PythonDebug On", "PythonAutoReload Off", "PythonInterpreter x", "PythonPath \"['/a']\"")
    assert python.python_config(Scope().say(*lines).conf) == {
        "PythonDebug": "1",
        "PythonAutoReload": "0",
        "PythonInterpreter": "x",
        "PythonPath": "['/a']",
    }


def test_an_explicit_off_hides_an_outer_on() -> None:
    outer = Scope().say("PythonInterpPerDirectory On", "PythonInterpPerDirective On").conf
    merged = outer.merged(within("Directory", "/").say("PythonInterpPerDirectory Off").conf)
    assert not merged[python.INTERP_PER_DIRECTORY]
    assert merged[python.INTERP_PER_DIRECTIVE]


def test_imports_of_the_main_server_only() -> None:
    lines = ("PythonImport a main_interpreter", "PythonImport b::f x")
    assert Scope().say(*lines).server[python.PYTHON_IMPORTS] == (("a", "main_interpreter"), ("b::f", "x"))
    assert Scope(where=Where.VHOST).say(*lines).server[python.PYTHON_IMPORTS] == ()


@pytest.mark.parametrize("value", ["On", "Off"])
def test_optimize(value: str) -> None:
    assert Scope().say(f"PythonOptimize {value}").server[python.PYTHON_OPTIMIZE] is (value == "On")


def test_backend() -> None:
    assert Scope().conf[python.INTERP_BACKEND] == "auto"
    assert Scope().say("PythonInterpBackend Process").conf[python.INTERP_BACKEND] == "process"


class Main(NamedTuple):
    """The main server, as far as the pool of locks asks."""

    conf: Conf


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), ("/tmp", 8)),
        (("Mutex file:/var/lock default",), ("/var/lock", 8)),
        (("Mutex sem",), ("/tmp", 8)),
        (("Mutex file:/var/lock", "PythonOption mod_python.mutex_directory run"), ("/srv/run", 8)),
        (("PythonOption mod_python.mutex_locks 32",), ("/tmp", 32)),
    ],
)
def test_pool_of_locks(lines: tuple[str, ...], expected: tuple[str, int]) -> None:
    main = Main(Scope().say(*lines).server)
    assert python.mutexes(main, "/srv", core.MUTEX) == expected  # type: ignore[arg-type]
