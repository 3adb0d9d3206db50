"""What is worked out once of a configuration's applications, and found again by their interpreters' names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mpserver.config.configuration import load
from mpserver.config.finished import Finished
from mpserver.interpreters.lifetime_settings import lifetime
from mpserver.modules.all import registry
from mpserver.phases import facts
from mpserver.phases.facts import Wanted
from mpserver.phases.plan import InterpreterId
from mpserver.phases.survey import finish
from mpserver.serving.lifetime import InterpreterLifetime

Make = Callable[[str], Finished]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def read(text: str) -> Finished:
        (tmp_path / "httpd.conf").write_text(f"ServerName main\nDocumentRoot /docs\n{text}")
        return finish(load("httpd.conf", registry(), root=str(tmp_path)))

    return read


def lives(configuration: Finished, name: str) -> InterpreterLifetime:
    return lifetime(configuration, InterpreterId("own", name))


def test_lifetimes_are_those_of_the_first_scope_that_tells_one(make: Make) -> None:
    there = make(
        "<Directory /a>\nPythonInterpreter one\nPythonInterpMaxRequests 5\n</Directory>\n"
        "<VirtualHost *>\nServerName two\nPythonInterpIdleTimeout 9\n</VirtualHost>\n"
        "<VirtualHost *>\nServerName three\nPythonInterpreter one\nPythonInterpMaxRequests 7\n</VirtualHost>\n"
        "<VirtualHost *>\nServerName four\n</VirtualHost>\n"
    )
    assert lives(there, "one") == InterpreterLifetime(5, 0.0, False)
    assert lives(there, "two") == InterpreterLifetime(0, 9.0, False)
    assert lives(there, "four") == lives(there, "main") == InterpreterLifetime(0, 0.0, False)


def test_lifetimes_of_the_server_hold_for_names_that_no_section_shows(make: Make) -> None:
    there = make("PythonInterpReload On\n<VirtualHost *>\nServerName two\nPythonInterpMaxRequests 3\n</VirtualHost>\n")
    assert lives(there, "unheard-of") == InterpreterLifetime(0, 0.0, True)
    assert lives(there, "two") == InterpreterLifetime(3, 0.0, True)


def test_lifetimes_of_folders_hold_below_them(make: Make) -> None:
    there = make(
        "<Directory /apps>\nPythonInterpPerDirectory On\nPythonHandler h\nPythonInterpMaxRequests 4\n</Directory>\n"
    )
    assert lives(there, "/apps/") == lives(there, "/apps/shop/") == InterpreterLifetime(4, 0.0, False)
    assert lives(there, "/other/") == InterpreterLifetime(0, 0.0, False)


def test_what_an_application_begins_with(make: Make) -> None:
    there = make(
        "PythonPath \"['/lib']\"\nPythonImport warm two\nPythonHandler all\n"
        "<Directory /a>\nPythonHandler own\n</Directory>\n"
        "<VirtualHost *>\nServerName two\n</VirtualHost>\n<VirtualHost *>\nServerName three\n</VirtualHost>\n"
    )
    path = "['/lib']"
    handlers = [Wanted("all", None, path), Wanted("own", None, path)]
    assert facts.modules(there, "two") == [Wanted("warm", None, path), *handlers]
    assert facts.modules(there, "three") == facts.modules(there, "main") == handlers
    assert facts.modules(there, "nobody") == []


def test_environments_are_found_by_name(make: Make) -> None:
    there = make("PythonHandler h\n<VirtualHost *>\nServerName two\nPythonInterpNice 3\n</VirtualHost>\n")
    its = facts.environments(there)
    assert its.get("two") == its["two"] == (("nice", 3),)
    assert its.get("main") is None
    assert "two" in its
    assert "main" not in its
    assert facts.environments(make("PythonHandler h\n")) == {}


def test_the_folders_of_all_servers_documents(make: Make) -> None:
    there = make("<VirtualHost *>\nDocumentRoot /two\n</VirtualHost>\n<VirtualHost *>\nServerName x\n</VirtualHost>\n")
    assert facts.documents(there) == ("/docs", "/two")


def test_whether_a_module_takes_connections(make: Make) -> None:
    assert not facts.takes_connections(make(""))
    assert facts.takes_connections(make("<VirtualHost *>\nPythonConnectionHandler h\n</VirtualHost>\n"))
