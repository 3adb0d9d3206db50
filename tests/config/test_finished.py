"""Finished settings: what crosses to interpreters, and how little of it each of them holds."""

from __future__ import annotations

import importlib
import marshal
import os
import pkgutil
import re
import tracemalloc

import pytest

import mpserver.config
import mpserver.modules
from config.conftest import LoadText
from config.small import NOTE, small_registry
from mpserver.config import finishing, records
from mpserver.config.entries import FILES, Entry
from mpserver.config.finished import Finished
from mpserver.config.override import ALLOW_OVERRIDE, ALLOW_OVERRIDE_LIST, Allowed, Override
from mpserver.config.plain import Reader
from mpserver.config.plain_writer import Writer
from mpserver.config.settings import Conf, Setting
from mpserver.modules import alias, authz_core, core, log_config, mime, python, values
from mpserver.modules.core import options
from mpserver.modules.mime.media_types import TypesFile
from mpserver.modules.python import environment
from mpserver.typing import Any

#: One value of each kind of thing.
VALUES: dict[Setting[Any], Any] = {
    core.TIMEOUT: 2.5,
    core.LISTEN: (core.Listen(None, 80, "http"), core.Listen("::1", 81, "http")),
    core.ERROR_DOCUMENT: {404: "/missing", 500: '"text'},
    core.LOG_LEVEL: core.LogLevels(None, {"python": 7}),
    core.MUTEX: {"default": core.Mutex("file", "/run")},
    core.SERVER_ADMIN: "J\u00f6rg \udcff",
    alias.ALIASES: (alias.Alias("", re.compile("^/a(b)?", re.DOTALL | re.ASCII), "/x$1", True),),
    authz_core.REQUIRE: authz_core.Rules(
        (authz_core.Requirement("user", ("a", "b"), "user a b"),), "and", authz_core.Rules()
    ),
    options.OPTIONS: options.Options(options.Option.LINKS | options.Option.EXEC_CGI),
    ALLOW_OVERRIDE: Allowed(Override.AUTHCONFIG | Override.LIMIT, options=frozenset({"all"})),
    ALLOW_OVERRIDE_LIST: frozenset({"require", "note"}),
    environment.ENVIRONMENT: {"user": environment.Told(("a", ""), "X", "/f", 3)},
    log_config.CUSTOM_LOGS: (log_config.CustomLog("/log", "%h", "dontlog", True),),
    mime.ADD_TYPE: {"html": "text/html", "x": None},
    python.HANDLERS: {"PythonHandler": (python.HandlerSpec("a::b", "/d/", False, (".py",), True),)},
}


def crossed(conf: Conf) -> Conf:
    """A scope after its way to another interpreter."""
    writer = Writer()
    written = marshal.loads(marshal.dumps(writer.conf(conf), records.MARSHAL))
    return Reader(marshal.loads(marshal.dumps(writer.names))).conf(written)


def test_values_arrive_as_they_were() -> None:
    there = crossed(Conf(dict(VALUES)))
    assert there.values.keys() == VALUES.keys()
    for setting, value in VALUES.items():
        if setting is not alias.ALIASES:
            assert there[setting] == value
            assert type(there[setting]) is type(value)
    (one,) = there[alias.ALIASES]
    assert isinstance(one, alias.Alias)
    assert (one.match("/ab/c"), one.match("/x")) == ("/xb", None)
    assert one.pattern is not None
    assert one.pattern.flags == re.compile("", re.DOTALL | re.ASCII).flags


def test_sections_arrive_with_what_they_set() -> None:
    inner = Entry("FilesMatch", r"\.py$", "regex", Conf({core.TIMEOUT: 1.0}))
    (there,) = crossed(Conf({FILES: (inner,)}))[FILES]
    assert (there.kind, there.pattern, there.is_regex) == ("FilesMatch", r"\.py$", True)
    assert there.conf.values == {core.TIMEOUT: 1.0}
    assert there.test is not None
    assert there.test("x.py")
    assert not there.test("x.pyc")
    assert not hasattr(there, "nothing")


def test_a_file_of_media_types_is_named_only() -> None:
    there = crossed(Conf({mime.TYPES_CONFIG: TypesFile("/some/mime.types")}))
    assert there[mime.TYPES_CONFIG].path == "/some/mime.types"


@pytest.mark.parametrize("value", [["a list"], object(), b"".join, {1: object()}, (1, {2})])
def test_a_value_without_a_plain_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no plain form"):
        Writer().conf(Conf({core.TIMEOUT: value}))


def test_a_setting_that_is_no_constant_is_refused() -> None:
    with pytest.raises(TypeError, match="is no constant of"):
        Writer().conf(Conf({Setting("Nowhere", 0): 1}))


def is_of_directives(module: str) -> bool:
    """Whether a module has the code of directives."""
    return module.endswith(("directives", "directive"))


def settings() -> list[Setting[Any]]:
    """All settings of the server."""
    found: dict[Setting[Any], None] = {}
    for package in (mpserver.config, mpserver.modules):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            its = vars(importlib.import_module(module.name)).values()
            found |= {one: None for one in its if isinstance(one, Setting)}
    return list(found)


def test_every_setting_is_found_again_without_its_directives() -> None:
    every = settings()
    assert len(every) > 90
    for setting in every:
        there = crossed(Conf({setting: None}))
        assert list(there.values) == ([setting] if setting.travels else [])
        assert setting.travels <= (not is_of_directives(setting.module))


def test_what_only_counts_where_configuration_is_read_stays_there() -> None:
    checks = (values.Check(lambda: None, "/f", 1),)
    assert crossed(Conf({values.CHECKS: checks, core.TIMEOUT: 1.0})).values == {core.TIMEOUT: 1.0}


def test_records_are_found_by_number_and_key() -> None:
    keys = {("kind", f"name{number}"): (number, "x" * number) for number in range(300)}
    fd = records.write({"head": 1}, [b"", b"one", b"two" * 100_000], {**keys, ("kind", "\udcff\xe9"): "odd"})
    try:
        found = records.Records(fd)
        assert found.head() == {"head": 1}
        assert [found.record(number) for number in range(3)] == [b"", b"one", b"two" * 100_000]
        assert all(found.find(*key) == value for key, value in keys.items())
        assert found.find("kind", "\udcff\xe9") == "odd"
        assert [found.find("kind", "name300"), found.find("other", "name1"), found.find("", "")] == [None] * 3
    finally:
        os.close(fd)


def test_a_file_without_keys_has_none() -> None:
    fd = records.write((), [], {}, renewable=True)
    assert records.Records(fd).find("kind", "name") is None
    os.close(fd)


def weight(load_text: LoadText, hosts: int) -> int:
    """Bytes that an interpreter holds of a configuration, when it has found one host of it."""
    text = "".join(f"<VirtualHost *>\nServerName h{n}\nNote {n}\n</VirtualHost>\n" for n in range(hosts))
    fd = finishing.write(load_text(text))
    Finished(fd, small_registry).find("127.0.0.1", 80, "h5")  # (what is imported for it)
    tracemalloc.start()
    there = Finished(fd, small_registry)
    assert there.find("127.0.0.1", 80, "h5").base[NOTE] == ("5",)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert there.find("127.0.0.1", 80, f"h{hosts - 1}").base[NOTE] == (str(hosts - 1),)
    there.close()
    return held


def test_an_interpreter_holds_no_more_of_ten_thousand_hosts_than_of_ten(load_text: LoadText) -> None:
    few = weight(load_text, 10)
    assert weight(load_text, 10_000) <= 1.1 * few
