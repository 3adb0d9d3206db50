"""Configurations in Python: their text, and the Python that they are printed as."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mod_python import command, httpdconf
from mod_python.httpdconf import Comment, Container, ContainerTag, Directive
from mpserver.api import runtime

made: Any = httpdconf  # (its ready-made classes come from a table)


def sample() -> Container:
    return Container(
        Comment("first line\nsecond line"),
        made.ServerRoot("/srv/site"),
        Directive("Custom", r"a\b", flipslash=0),
        Container(made.Listen("9999"), only_if="False"),
        Container(made.Listen("8888"), only_if="mod_python.version.HTTPD_VERSION[0:3] == '2.4'"),
        made.VirtualHost(
            "*:80",
            made.DocumentRoot(r"C:\www"),
            made.Directory("/srv/site/public", made.SetHandler("mod_python"), Container(made.PythonHandler("app"))),
            Comment("inside"),
        ),
        ContainerTag("Limit", "GET", [made.Require("all granted")]),
    )


TEXT = r"""# first line
# second line
ServerRoot /srv/site
Custom a\b
Listen 8888
<VirtualHost *:80>
  DocumentRoot C:/www
  <Directory /srv/site/public>
    SetHandler mod_python
    PythonHandler app
  </Directory>
  # inside
</VirtualHost>
<Limit GET>
  Require all granted
</Limit>
"""


def test_text() -> None:
    assert str(sample()) == TEXT


@pytest.mark.parametrize(
    ("directive", "text", "python"),
    [
        (
            made.LogFormat(r'"%h \"%r\"" common'),
            'LogFormat "%h \\"%r\\"" common\n',
            r"""LogFormat('"%h \\"%r\\"" common')""",
        ),
        (made.LogFormat(r"a\b", flipslash=1), "LogFormat a/b\n", r"LogFormat('a\\b', flipslash=1)"),
        (made.PythonPath(r"[r'C:\lib']+sys.path"), "PythonPath [r'C:\\lib']+sys.path\n", None),
        (made.DocumentRoot(r"C:\www"), "DocumentRoot C:/www\n", r"DocumentRoot('C:\\www')"),
        (made.DocumentRoot(r"C:\www", flipslash=0), "DocumentRoot C:\\www\n", r"DocumentRoot('C:\\www', flipslash=0)"),
    ],
)
def test_backslashes_stay_where_they_are_no_paths(directive: Directive, text: str, python: str | None) -> None:
    assert str(directive) == text
    if python is not None:
        assert repr(directive) == python
    assert str(eval(repr(directive), dict(vars(httpdconf)))) == text


def test_repr_is_python_for_the_same() -> None:
    source = repr(sample())
    again = eval(source, dict(vars(httpdconf)))
    assert repr(again) == source
    assert str(again) == TEXT
    assert "    VirtualHost('*:80',\n        DocumentRoot(" in source


def test_star_import_gives_all_names() -> None:
    names: dict[str, Any] = {}
    exec("from mod_python.httpdconf import *", names)
    assert {"Container", "Location", "PythonHandler", "VirtualHost", "write_basic_config"} <= set(names)


def test_only_items_can_be_held() -> None:
    with pytest.raises(TypeError, match="not str"):
        Container("Listen 80")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not int"):
        made.Location("/").append(1)


def test_sections_and_directives_of_any_name() -> None:
    conf = made.IfModule("mod_python.c", made.Files("*.py", made.PythonDebug("On"), made.PythonPath("['/x']")))
    assert str(conf).split() == [
        "<IfModule", "mod_python.c>", "<Files", "*.py>", "PythonDebug", "On", "PythonPath", "['/x']", "</Files>",
        "</IfModule>",
    ]  # fmt: skip


def test_it_needs_no_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert runtime.current() is None
    path = httpdconf.write_basic_config(
        str(tmp_path / "a site"), "127.0.0.1:8000", pythonhandler="app", pythonpath=["/my code"],
        pythonoptions=["name some value"], mp_comments=["a comment"],
    )  # fmt: skip
    assert path == str(tmp_path / "a site" / "conf" / "httpd_conf.py")
    text = command.generate(path)
    for line in (
        f'ServerRoot "{tmp_path}/a site"', "Listen 127.0.0.1:8000", "  PythonHandler app", "  # a comment",
        "  PythonPath \"sys.path+['/my code']\"", "  PythonOption name some value",
        f'<Directory "{tmp_path}/a site/public">',
    ):  # fmt: skip
        assert line + "\n" in text
    assert sorted(os.listdir(tmp_path / "a site")) == ["conf", "logs", "public"]
    assert "text/html" in (tmp_path / "a site" / "conf" / "mime.types").read_text()
    assert httpdconf.write_basic_config(str(tmp_path / "a site")) is None
    assert httpdconf.write_basic_config(str(tmp_path / "a site"), replace_config=True) == path
    assert "PythonPath" not in command.generate(path)
    capsys.readouterr()


def test_media_types_without_a_system_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpdconf, "MIME_TYPES", ())
    lines = httpdconf._mime_types().splitlines()
    assert any(line.startswith("text/html\t") and "html" in line.split() for line in lines)
