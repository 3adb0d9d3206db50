"""What names of files say; the expected answers are httpd 2.4's."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modules.scopes import Scope, in_directory
from mpserver.config.settings import Conf
from mpserver.modules import values
from mpserver.modules.mime.hooks import ROOM, Finder, Mime, find, find_type, with_charset
from mpserver.modules.mime.media_types import BUILT_IN, TypesFile, parse_types

LINES = (
    "AddLanguage fr .fr",
    "AddLanguage de .de",
    "AddEncoding x-gzip .gz",
    "AddEncoding compress Z",
    "AddCharset UTF-8 .utf",
    "AddType text/foo .foo",
    "AddType Text/Bar .BAR",
    "AddHandler hh .hnd",
    "AddHandler MOD_PYTHON py .psp",
)


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    """The directory level of a server with the types and additions above."""
    types = tmp_path / "mime.types"
    types.write_text(
        "# a comment\ntext/html html htm # and more\ntext/plain txt\napplication/x-tar tar\napplication/gzip gz\n"
        "application/x-trash bak\nimage/png png\nno/extensions\n"
    )
    return Scope().say(f"TypesConfig {types}", *LINES).conf


@pytest.mark.parametrize(
    ("name", "media"),
    [
        ("x.txt", "text/plain"),
        ("i.TXT", "text/plain"),
        ("a.tar.gz", "application/gzip"),
        ("b.html.fr", "text/html"),
        ("c.fr.html", "text/html"),
        ("e.txt.bak", "application/x-trash"),
        ("q.html.unknown", "text/html"),
        ("k.foo.txt", "text/plain"),
        ("l.txt.foo", "text/foo"),
        ("l.txt.bar", "text/bar"),
        ("g..html", "text/html"),
        (".h.txt", "text/plain"),
        ("..h.txt", "text/plain"),
        (".png", None),
        ("..png", None),
        ("noext", None),
        ("m.", None),
        ("txt", None),
        ("", None),
        (".", None),
        ("x.no/extensions", None),
    ],
)
def test_types(conf: Conf, name: str, media: str | None) -> None:
    assert find(name, conf).type == media


def test_codings_and_languages_add_up(conf: Conf) -> None:
    assert find("d.gz.Z", conf).encoding == "x-gzip, compress"
    assert find("d.gz.gz", conf).encoding == "x-gzip, x-gzip"
    assert find("d.fr.de.html", conf).languages == ("fr", "de")
    found = find("n.html.utf.fr.gz", conf)
    assert (found.charset, found.encoding, found.languages) == ("utf-8", "x-gzip", ("fr",))


def test_handlers(conf: Conf) -> None:
    assert find("j.hnd.txt", conf).handler == "hh"
    assert find("a.py", conf).handler == find("a.hnd.PSP", conf).handler == "mod_python"
    assert find("py", conf).handler is None


def test_default_language(conf: Conf) -> None:
    inner = conf.merged(in_directory("DefaultLanguage en"))
    assert find("x.txt", inner).languages == find("noext", inner).languages == ("en",)
    assert find("x.fr.txt", inner).languages == ("fr",)


def test_what_is_remembered_of_names_is_bounded_by_bytes(conf: Conf) -> None:
    finder = Finder(conf)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(1000):
            for _ in range(2):
                assert finder(f"{number}{'x' * 2000}.html").type == "text/html"
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2 * ROOM


def test_removal(conf: Conf) -> None:
    lines = ("RemoveHandler .hnd psp", "RemoveType foo txt", "RemoveEncoding gz", "RemoveCharset .utf")
    inner = conf.merged(in_directory(*lines, "RemoveLanguage fr"))
    assert find("j.hnd.psp.py", inner).handler == "mod_python"
    assert find("j.hnd", inner).handler is None
    assert find("l.foo", inner).type is None
    assert find("l.txt", inner).type == "text/plain"  # TypesConfig's are not taken away
    assert find("a.utf.fr.gz", inner) == Mime("application/gzip", None, None, (), None)
    assert find("j.hnd", inner.merged(in_directory("AddHandler other .hnd"))).handler == "other"


def test_removal_wins_over_additions_of_the_same_scope(conf: Conf) -> None:
    for lines in (("AddHandler x .x", "RemoveHandler .x"), ("RemoveHandler .x", "AddHandler x .x")):
        assert find("a.x", in_directory(*lines)).handler is None


def request(filename: str | None, **more: Any) -> Any:
    found: dict[str, Any] = {
        "mp_filename": filename,
        "mp_finfo": None,
        "mp_stat": None,
        "mp_proxyreq": 0,
        "mp_handler": None,
    }
    found |= {"mp_content_type": None, "mp_content_encoding": None, "mp_content_languages": ()}
    return SimpleNamespace(**found | more)


def test_type_checker(conf: Conf) -> None:
    req = request("/srv/a.b/n.html.utf.fr.gz.hnd")
    assert find_type(req, Finder(conf)) == 0
    assert req.mp_content_type == "application/gzip; charset=utf-8"
    assert (req.mp_content_encoding, req.mp_content_languages, req.mp_handler) == ("x-gzip", ("fr",), "hh")


def test_type_checker_declines_without_a_type(conf: Conf) -> None:
    assert find_type(request(None), Finder(conf)) == -1
    req = request("/srv/x.html/noext")
    assert find_type(req, Finder(conf)) == -1
    assert req.mp_content_type is None


def test_type_checker_of_a_directory(conf: Conf, tmp_path: Path) -> None:
    req = request("/srv/x.html", mp_stat=tmp_path.stat())
    assert find_type(req, Finder(conf)) == 0
    assert req.mp_content_type == "httpd/unix-directory"


def test_charset_replaces_one_of_the_type() -> None:
    assert with_charset("text/html; Charset=x; level=1", "utf-8") == "text/html; level=1; charset=utf-8"


def test_built_in_types() -> None:
    table = parse_types(BUILT_IN)
    assert table["html"] == "text/html"
    assert table["js"] == table["mjs"] == "text/javascript"
    extensions = [word for line in BUILT_IN.splitlines() for word in line.split()[1:]]
    assert len(extensions) == len(set(extensions)) == len(table)


def test_an_empty_or_missing_system_file_gives_the_built_in_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "mime.types"
    monkeypatch.setattr("mpserver.modules.mime.media_types.SYSTEM_FILE", str(system))
    assert TypesFile(None).table["css"] == "text/css"
    system.write_text("")
    assert TypesFile(None).table["css"] == "text/css"
    system.write_text("a/b css\n")
    assert TypesFile(None).table == {"css": "a/b"}


def test_a_missing_types_config_is_found_at_the_start(tmp_path: Path) -> None:
    scope = Scope().say(f"TypesConfig {tmp_path}/none")
    (fault,) = values.check([scope.server])
    assert "could not open mime types config file" in fault.message
    assert find("x.txt", scope.conf).type is None
