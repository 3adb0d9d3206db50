"""What is kept of virtual hosts: one plan for those of equal configuration, names as long as there is room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mpserver.config.configuration import load
from mpserver.modules.all import registry
from mpserver.phases.pipeline import Pipeline
from mpserver.phases.planner import CACHE, LONGEST_NAME, Planner
from mpserver.phases.survey import finish

LOCAL = ("127.0.0.1", 80)

Make = Callable[[str], Planner]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Gives the planner of a router for a configuration's text, as an interpreter gets it."""

    def read(text: str) -> Planner:
        (tmp_path / "httpd.conf").write_text(f"DocumentRoot {tmp_path}\n{text}")
        read = load("httpd.conf", registry(), root=str(tmp_path))
        return Pipeline(finish(read), {}, 0, None, {}).planner

    return read


def hosts(*extra: str) -> str:
    """Virtual hosts h0, h1 ..., each with a line of its own."""
    return "".join(
        f"<VirtualHost *>\nServerName h{number}\n{line}\n</VirtualHost>\n" for number, line in enumerate(extra)
    )


def test_hosts_in_one_interpreter_share_what_was_found(make: Make) -> None:
    planner = make("ServerAdmin me\nPythonInterpreter one\n" + hosts("", "", "ServerAdmin you"))
    first, second, third = (planner.host_of(LOCAL, f"h{number}") for number in range(3))
    assert planner.locate(first, "/") is planner.locate(second, "/")
    assert planner.locate(third, "/") is not planner.locate(first, "/")
    shown = [(host.object.server_hostname, host.object.server_admin) for host in (first, second, third)]
    assert shown == [("h0", "me"), ("h1", "me"), ("h2", "you")]
    assert first.object is first.object
    # (servers are views, each with attributes of its own: what an application sets on one goes with its request)
    following, before = second.object.next, third.object.next
    assert following is not None and following.server_hostname == "h0"
    assert before is not None and before.server_hostname == "h1"


def test_hosts_that_name_their_interpreters_have_plans_of_their_own(make: Make) -> None:
    planner = make(hosts("", ""))
    places = [planner.locate(planner.host_of(LOCAL, name), "/").plan.interpreter_id.name for name in ("h0", "h1", "h0")]
    assert places == ["h0", "h1", "h0"]


def test_sections_of_a_host_are_its_own(make: Make) -> None:
    timeout = "<Location /here>\nPythonOption which yes\n</Location>"
    planner = make("PythonInterpreter one\n" + hosts("", timeout, "PythonOption which all"))
    options = [planner.locate(planner.host_of(LOCAL, f"h{n}"), "/here").plan.options for n in range(3)]
    assert options == [{}, {"which": "yes"}, {"which": "all"}]


def test_names_are_forgotten_before_they_fill_the_memory(make: Make) -> None:
    planner = make(hosts("", "", ""))
    for number in range(10_000):
        assert planner.host_of(LOCAL, f"client{number}").name == "h0"
    assert sum(map(len, planner._found.values())) <= CACHE + 6
    long = "x" * (LONGEST_NAME + 1)
    assert planner.host_of(LOCAL, long).name == "h0"
    assert long not in planner._found[LOCAL]
    assert planner.host_of(LOCAL, "H2:80").name == "h2"


def test_each_of_many_hosts_is_remembered(make: Make) -> None:
    planner = make("PythonInterpreter one\n" + hosts(*[""] * (CACHE + 10)))
    for number in range(CACHE + 10):
        assert planner.host_of(LOCAL, f"h{number}").name == f"h{number}"
    assert len(planner._found[LOCAL]) == CACHE + 10


def test_hosts_that_say_the_same_share_what_was_found(make: Make) -> None:
    same = "DocumentRoot {root}\n<Location /closed>\nRequire all denied\n</Location>\nPythonOption which all"
    one, other = (same.format(root=root) for root in ("/srv/one", "/srv/other"))
    planner = make("PythonInterpreter one\n" + hosts(one, one, other, one))
    first, second, third, fourth = (planner.host_of(LOCAL, f"h{number}") for number in range(4))
    assert first.site is second.site is fourth.site
    assert planner.locate(first, "/").plan is planner.locate(fourth, "/").plan
    assert third.site is not first.site
    assert planner.locate(third, "/").plan.document_root == "/srv/other"
    assert [host.object.server_hostname for host in (first, second, third, fourth)] == ["h0", "h1", "h2", "h3"]


def test_hosts_that_say_the_same_have_interpreters_of_their_own(make: Make) -> None:
    planner = make(hosts("DocumentRoot /srv", "DocumentRoot /srv"))
    names = [planner.locate(planner.host_of(LOCAL, f"h{n}"), "/").plan.interpreter_id.name for n in range(2)]
    assert names == ["h0", "h1"]


def test_groups_of_scripts_are_called_by_each_host(make: Make, tmp_path: Path) -> None:
    """Even where the same script serves several hosts, whose handlers are in one interpreter."""
    (tmp_path / "app.wsgi").write_text("")
    script = f"WSGIScriptAlias /app {tmp_path}/app.wsgi"
    planner = make("PythonInterpreter one\n" + hosts(script, script))
    first, second = (planner.host_of(LOCAL, f"h{number}").site for number in range(2))
    assert (first.name, second.name) == ("h0", "h1")


@pytest.mark.parametrize("place", ["section", "htaccess"])
def test_groups_of_scripts_that_folders_name_are_called_by_each_host(make: Make, tmp_path: Path, place: str) -> None:
    (tmp_path / "app.wsgi").write_text("")
    handler, section = "AddHandler wsgi-script .wsgi\n", f"<Directory {tmp_path}>\nAllowOverride All\n"
    if place == "htaccess":
        (tmp_path / ".htaccess").write_text(handler)
    else:
        section += handler
    planner = make(
        f"PythonInterpreter one\nWSGIDaemonProcess jobs\nWSGIProcessGroup jobs\n{section}</Directory>\n{hosts('', '')}"
    )
    plans = [planner.locate(planner.host_of(LOCAL, f"h{number}"), "/app.wsgi").plan for number in range(2)]
    assert [plan.interpreter_id.name for plan in plans] == [
        f"jobs|h{number}|{tmp_path}/app.wsgi" for number in range(2)
    ]


def test_plans_of_each_of_many_hosts_are_remembered(make: Make) -> None:
    number = CACHE + 10
    planner = make("PythonInterpreter one\n" + hosts(*(f"ServerAdmin a{n}" for n in range(number))))
    plans = [
        planner.plan(planner.host_of(LOCAL, f"h{n}"), planner.configuration.main.base, None) for n in range(number)
    ]
    first = planner.host_of(LOCAL, "h0")
    assert planner.plan(first, planner.configuration.main.base, None) is plans[0]
