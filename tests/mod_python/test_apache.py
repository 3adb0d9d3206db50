"""``mod_python.apache`` against manual 4.5.1 and api 3.5 1.4, inside and outside of a server."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import mod_python
from mod_python import apache, version
from mod_python._cgi import environment
from mpserver.api import constants

Make = Callable[..., Any]


def test_package() -> None:
    assert mod_python.mp_version == version.version == "3.5.0"
    assert version.HTTPD_VERSION.startswith("2.4.")
    assert mod_python.apache is apache


def test_every_constant_is_a_name_of_the_module() -> None:
    assert [n for n in constants.EXPORTS if getattr(apache, n) != getattr(constants, n)] == []


def test_names_that_need_no_server(tmp_path: Path) -> None:
    assert apache.table is apache.make_table
    assert apache.table({"a": 1})["A"] == "1"
    assert apache.stat(str(tmp_path), apache.APR_FINFO_MIN).filetype == apache.APR_DIR
    assert apache.stat(str(tmp_path / "none"), apache.APR_FINFO_MIN).filetype == apache.APR_NOFILE
    end = apache.SERVER_RETURN(apache.HTTP_GONE)
    assert end.args == (410,)


@pytest.mark.parametrize(
    "call",
    [
        lambda: apache.log_error("x"),
        lambda: apache.import_module("os"),
        lambda: apache.register_cleanup(print),
        apache.config_tree,
        apache.server_root,
        lambda: apache.exists_config_define("X"),
        lambda: apache.mpm_query(apache.AP_MPMQ_IS_FORKED),
    ],
)
def test_outside_of_a_server_the_rest_says_so(call: Callable[[], Any]) -> None:
    with pytest.raises(RuntimeError, match="running server"):
        call()


def test_outside_of_a_server_there_is_no_interpreter() -> None:
    assert not hasattr(apache, "interpreter")
    with pytest.raises(AttributeError, match="running server"):
        apache.main_server  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        apache.nonsense  # noqa: B018


def test_inside_of_a_server(lent: SimpleNamespace) -> None:
    assert apache.interpreter == "www.example.com"
    assert apache.main_server is lent.main_server
    assert apache.server_root() == "/srv"
    assert apache.exists_config_define("FOREGROUND")
    assert not apache.exists_config_define("X")
    assert apache.config_tree() == [("Listen", "80")]
    assert apache.mpm_query(3) == 103
    apache.log_error("text")
    apache.log_error("text", apache.APLOG_INFO, lent.main_server)
    apache.register_cleanup(print, 5)
    apache.import_module("name", 0, 1, ["/x"])
    assert lent.calls == [
        ("log", (3, "text", None)),
        ("log", (6, "text", lent.main_server)),
        ("register_cleanup", (print, 5)),
        ("import_module", ("name", False, True, ["/x"])),
    ]
    with pytest.raises(ValueError):
        apache.register_cleanup("no callable")  # type: ignore[arg-type]


def test_cgi_environment(make_request: Make) -> None:
    req = make_request("/", headers={"Authorization": "Basic YTpi"})
    env = environment.build_cgi_env(req)
    assert isinstance(env, apache.table)
    assert env["GATEWAY_INTERFACE"] == "Python-CGI/1.1"
    assert env["HTTP_AUTHORIZATION"] == "Basic YTpi"
    assert env["REQUEST_METHOD"] == "GET"
    assert "HTTP_AUTHORIZATION" not in req.subprocess_env
    assert "HTTP_AUTHORIZATION" not in environment.build_cgi_env(make_request("/"))


class TestResolveObject:
    class Handlers:
        def __init__(self, arg: object) -> None:
            self.arg = arg

        def handler(self) -> object:
            return self.arg

    module = SimpleNamespace(Handlers=Handlers, value=5, inner=SimpleNamespace(value=6))

    def test_walks_and_instantiates_on_the_way(self) -> None:
        assert apache.resolve_object(self.module, "value", "req") == 5
        assert apache.resolve_object(self.module, "inner.value", "req") == 6
        assert apache.resolve_object(self.module, "Handlers.handler", "req")() == "req"
        assert apache.resolve_object(self.module, "Handlers", "req") is self.Handlers
        assert apache.resolve_object(self.module, "Handlers.handler") is self.Handlers.handler

    def test_missing(self) -> None:
        with pytest.raises(AttributeError, match="contains no 'nothing'"):
            apache.resolve_object(self.module, "nothing", "req")
        assert apache.resolve_object(self.module, "inner.nothing", "req", silent=1) is None


def test_null_file() -> None:
    file = apache.NullIO()
    file.write("x")
    file.writelines(["x", "y"])
    file.seek(5)
    file.flush()
    assert (file.read(), file.readline(), file.readlines(), file.tell(), file.isatty()) == ("", "", [], 0, 0)
    file.close()


def test_module_times(tmp_path: Path) -> None:
    file = tmp_path / "m.py"
    file.write_text("")
    assert apache.module_mtime(SimpleNamespace(__file__=str(file))) == file.stat().st_mtime  # type: ignore[arg-type]
    assert apache.module_mtime(SimpleNamespace(__file__=str(tmp_path / "none"))) == 0  # type: ignore[arg-type]
    assert apache.module_mtime(SimpleNamespace()) == 0  # type: ignore[arg-type]


def test_where_it_is_installed() -> None:
    """What the published one tells of its build; what there is none of here is an empty string."""
    assert (version.APR_VERSION, version.LIBEXECDIR, version.TEST_MOD_PYTHON_SO, version.TESTHOME) == ("",) * 4
    assert version.HTTPD.endswith("mpserver")
    assert sys.executable == version.PYTHON_BIN
    assert version.SYSCONFDIR.endswith("conf")


def test_cgi_streams(make_request: Make) -> None:
    req = make_request("/", body="z\u00e9\nb".encode(), flush=lambda: None)
    stdin = apache.CGIStdin(req)
    assert (stdin.readline(), stdin.read(), stdin.read()) == ("z\u00e9\n", "b", "")
    stdout = apache.CGIStdout(req)
    stdout.write("Content-Type: text/x\n")
    assert req.text == ""
    stdout.writelines(["\n", "body"])
    assert (req.content_type, req.text) == ("text/x", "body")
