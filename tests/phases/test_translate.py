"""From URI paths to files: httpd's answers, found by asking it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.config.configuration import Configuration, load
from mpserver.config.htaccess import HtaccessCache
from mpserver.config.settings import Conf
from mpserver.errors import RequestError
from mpserver.modules import authn_core, core
from mpserver.modules.all import TABLE, registry
from mpserver.modules.hook_table import HookTable
from mpserver.modules.paths import chain
from mpserver.phases import host, translate
from mpserver.phases.survey import finish
from mpserver.phases.translate import Resource, normalize, resolve


def main_site(configuration: Configuration) -> host.Site:
    """The main server, with what its modules make of paths."""
    finished = finish(configuration)
    finished.close()  # (the main server is there from the start)
    return host.Site(finished, finished.main, "", {}, HookTable(TABLE))


# ---- normalisation


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a//b///c", "/a/b/c"),
        ("//a", "/a"),
        ("/.", "/"),
        ("/./a", "/a"),
        ("/a/.", "/a/"),
        ("/a/./b/.", "/a/b/"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/../b", "/b"),
        ("/a//../b", "/b"),
        ("/a///b//..//../c", "/c"),
        ("/a/.//../b", "/b"),
        ("/a/%2e%2e/b", "/b"),
        ("/a/.%2E/b", "/b"),
        ("/a/%2e", "/a/"),
        ("/a/...", "/a/..."),
        ("/a/...%2e", "/a/...."),
        ("/a/.%2e./b", "/a/.../b"),
        ("/a/..b/c", "/a/..b/c"),
        ("/a/b../c", "/a/b../c"),
        ("/a/.b", "/a/.b"),
        ("/a%2e/", "/a./"),
        ("/a%20b/%7Ex/%41", "/a b/~x/A"),
        ("/a+b", "/a+b"),
        ("/%3F%23", "/?#"),
        ("/%25zz", "/%zz"),
        ("/%252e%252e/x", "/%2e%2e/x"),
        ("/%5c..%5cx", "/\\..\\x"),
        ("/a;b/../c;d", "/c;d"),
        ("/%0a%7f", "/\n\x7f"),
        ("/Zo%C3%AB", "/Zo\u00eb"),
        ("/Zo\xc3\xab", "/Zo\u00eb"),
        ("/%ff", "/\udcff"),
        ("/\xff", "/\udcff"),
        ("/a%2F/../b", "/b"),  # the segment with the hidden slash is gone
        ("/a/%00/../b", "/a/b"),
    ],
)
def test_a_path_is_decoded_and_cleaned(path: str, uri: str) -> None:
    assert normalize(path) == uri


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 400),
        ("*", 400),
        ("a", 400),
        ("/%", 400),
        ("/%4", 400),
        ("/%zz", 400),
        ("/%zz/../a", 400),
        ("/%C3%A", 400),
        ("/..", 400),
        ("/../a", 400),
        ("/a/../../b", 400),
        ("/%2e%2e/a", 400),
        ("/a/%2e%2e/..", 400),
        ("/%2F/../../", 400),
        ("/../%2F", 400),
        ("/a%2Fb", 404),
        ("/a%2fb", 404),
        ("/..%2f", 404),
        ("/%2e%2e%2f", 404),
        ("/%00", 404),
        ("/a.txt%00.html", 404),
    ],
)
def test_a_path_is_refused(path: str, status: int) -> None:
    with pytest.raises(RequestError) as caught:
        normalize(path)
    assert caught.value.status == status


def slashes(encoded: str, merge: bool) -> Conf:
    """A server's settings about slashes."""
    conf = Conf()
    conf[core.ALLOW_ENCODED_SLASHES], conf[core.MERGE_SLASHES] = encoded, merge
    return conf


@pytest.mark.parametrize(
    ("encoded", "merge", "path", "uri"),
    [
        ("on", True, "/a%2Fb", "/a/b"),
        ("on", True, "/a%2fb%252Fc", "/a/b%2Fc"),
        ("on", True, "/a/%2f", "/a/"),
        ("on", True, "/a%2f..%2fb", "/b"),
        ("on", True, "/a%2f%2e%2e/b", "/b"),
        ("on", True, "/..%2f..%2fb", "/b"),  # what a decoded slash leads above the root with stays at it
        ("on", False, "/a/%2f", "/a//"),
        ("on", False, "/a/%2f%2f", "/a///"),
        ("nodecode", True, "/a%2Fb", "/a%2Fb"),
        ("nodecode", True, "/a%2fb%252Fc%20d", "/a%2fb%2Fc d"),
        ("nodecode", True, "/a//%2f..", "/a/%2f.."),
        ("nodecode", True, "/a%2f../b", "/a%2f../b"),
        ("off", False, "//a//b", "/a//b"),
        ("off", False, "/a//../b", "/a/b"),
        ("off", False, "/a/..//b", "//b"),
        ("off", False, "/a//..//b", "/a//b"),
        ("off", False, "/a/.//b", "/a//b"),
        ("off", False, "/a//", "/a//"),
        ("off", False, "/a//.", "/a//"),
        ("off", False, "/a/b//..", "/a/b/"),
        ("off", False, "/", "/"),
        ("off", False, "//", "/"),
    ],
)
def test_slashes_that_a_server_lets_stay(encoded: str, merge: bool, path: str, uri: str) -> None:
    assert normalize(path, slashes(encoded, merge)) == uri


@pytest.mark.parametrize(
    ("encoded", "merge", "path", "status"),
    [
        ("on", True, "/a%00b", 404),
        ("nodecode", True, "/a%2fb%00", 404),
        ("off", False, "/a%2fb", 404),
        ("off", False, "/..//b", 400),
        ("on", True, "/../a%2fb", 400),
    ],
)
def test_slashes_do_not_open_more(encoded: str, merge: bool, path: str, status: int) -> None:
    with pytest.raises(RequestError) as caught:
        normalize(path, slashes(encoded, merge))
    assert caught.value.status == status


PIECES = st.sampled_from(
    ["/", "//", ".", "..", "...", "%2e", "%2E", "%2f", "%2F", "%00", "%", "%25"]
    + ["a", "b", "%61", "\\", "%5c", "+", "\xe9", "%ff"]
)
PATHS = st.one_of(
    st.lists(PIECES, max_size=20).map(lambda pieces: "/" + "".join(pieces)),
    st.text(st.characters(max_codepoint=0xFF)).map(lambda text: "/" + text),
    st.text(st.characters(max_codepoint=0xFF)),
)


@given(PATHS, st.sampled_from(["off", "on", "nodecode"]))
def test_no_path_leads_out_of_the_root(path: str, encoded: str) -> None:
    try:
        uri = normalize(path, slashes(encoded, True))
    except RequestError as error:
        assert error.status in (400, 404)
        return
    assert uri.startswith("/")
    assert "//" not in uri
    assert "\0" not in uri
    assert not {".", ".."} & set(uri.split("/"))
    root = "/srv/www"
    assert os.path.normpath(root + uri).startswith(root)
    assert os.fsencode(root + uri)  # always a name that the file system can be asked for


@given(PATHS, st.sampled_from(["off", "on", "nodecode"]))
def test_a_path_with_double_slashes_is_clean_otherwise(path: str, encoded: str) -> None:
    """It has no dot segments left, and no NUL."""
    try:
        uri = normalize(path, slashes(encoded, False))
    except RequestError as error:
        assert error.status in (400, 404)
        return
    assert uri.startswith("/")
    assert "\0" not in uri
    assert not {".", ".."} & set(uri.split("/"))


@given(PATHS)
def test_a_clean_path_stays_as_it_is(path: str) -> None:
    try:
        uri = normalize(path)
    except RequestError:
        return
    if "%" not in uri and uri.isascii():
        assert normalize(uri) == uri


def test_the_chain_of_directories() -> None:
    assert chain("/") == ("/",)
    assert chain("/a/b/") == ("/", "/a/", "/a/b/")


# ---- the walk


class Site(NamedTuple):
    """A document root and a way to resolve a path below it."""

    root: Path
    configure: Callable[[str], Callable[[str], Resource]]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    root = tmp_path / "www"
    root.mkdir()

    def configure(text: str) -> Callable[[str], Resource]:
        file = tmp_path / "httpd.conf"
        file.write_text(f"DocumentRoot {root}\n<Directory {root}>\nRequire all granted\n</Directory>\n{text}")
        configuration = load(str(file), registry(), root=str(tmp_path))
        htaccess = HtaccessCache(configuration)
        main = main_site(configuration)
        return lambda path: resolve(main, path, htaccess)

    (root / "hello.txt").write_text("hello\n")
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file.html").write_text("b")
    (root / "Zo\u00eb").write_text("z")
    (Path(os.fsdecode(os.fsencode(root) + b"/Zo\xeb"))).write_text("l")
    (root / "broken").symlink_to("/nonexistent/target")
    (root / "loop").symlink_to("loop")
    (root / "link").symlink_to("a")
    return Site(root, configure)


@pytest.mark.parametrize(
    ("path", "name", "path_info", "exists", "is_directory"),
    [
        ("/hello.txt", "/hello.txt", "", True, False),
        ("/", "/", "", True, True),
        ("/a", "/a", "", True, True),
        ("/a/", "/a/", "", True, True),
        ("/a/b/file.html", "/a/b/file.html", "", True, False),
        ("/link/b/file.html", "/link/b/file.html", "", True, False),
        ("/hello.txt/", "/hello.txt", "/", True, False),
        ("/hello.txt/x/y", "/hello.txt", "/x/y", True, False),
        ("/hello.txt/a/b/c/d/e/f/g/", "/hello.txt", "/a/b/c/d/e/f/g/", True, False),
        ("/nope", "/nope", "", False, False),
        ("/nope/", "/nope", "/", False, False),
        ("/nope/x", "/nope", "/x", False, False),
        ("/nope/a/b/c/d/e/f/g", "/nope", "/a/b/c/d/e/f/g", False, False),
        ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c", "/d/e/f/g/h/i/j", False, False),
        ("/a/.b", "/a/.b", "", False, False),
        ("/Zo%C3%AB", "/Zo\u00eb", "", True, False),
        ("/Zo%EB", "/Zo\udceb", "", True, False),
        ("/hello.txt/" + "a" * 300, "/hello.txt", "/" + "a" * 300, True, False),
        ("/nope/" + "a" * 300, "/nope", "/" + "a" * 300, False, False),
    ],
)
def test_a_path_is_split_at_what_exists(
    site: Site, path: str, name: str, path_info: str, exists: bool, is_directory: bool
) -> None:
    found = site.configure("")(path)
    assert found.status == 0
    assert found.filename == str(site.root) + name
    assert found.path_info == path_info
    assert (found.finfo is not None) is exists
    assert found.is_directory is is_directory


@pytest.mark.parametrize(
    "path",
    ["/broken", "/broken/x", "/loop", "/loop/x", "/" + "a" * 256, "/a" * 3000, "/hello.txt" + "/a" * 3000],
)
def test_what_can_not_be_looked_at_is_forbidden(site: Site, path: str) -> None:
    found = site.configure(f"<Directory {site.root}>\nAllowOverride All\n</Directory>")(path)
    assert found.status == 403
    assert found.reason


@pytest.mark.parametrize(("path", "status"), [("/a%2Fb", 404), ("/../x", 400), ("/%zz", 400)])
def test_a_bad_path_is_no_file(site: Site, path: str, status: int) -> None:
    found = site.configure("")(path)
    assert (found.status, found.filename, found.path_info) == (status, None, None)


class Stats:
    """Counts how often the file system is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def stat(self, path: str) -> os.stat_result:
        self.asked.append(path)
        return os.stat(path)

    def lstat(self, path: str) -> os.stat_result:
        self.asked.append(path)
        return os.lstat(path)


@pytest.fixture
def stats(monkeypatch: pytest.MonkeyPatch) -> Stats:
    counter = Stats()

    class Os:
        stat = staticmethod(counter.stat)
        lstat = staticmethod(counter.lstat)
        path = os.path
        stat_result = os.stat_result

    monkeypatch.setattr(translate, "os", Os)
    return counter


LOCATION = "<Location /app>\nSetHandler mod_python\nPythonHandler app\n</Location>\n"


def test_an_existing_file_costs_one_stat(site: Site, stats: Stats) -> None:
    resolve_path = site.configure(LOCATION)
    resolve_path("/a/b/file.html")
    assert len(stats.asked) == 1


def test_a_location_with_handlers_costs_none(site: Site, stats: Stats) -> None:
    found = site.configure(LOCATION)("/app/x/y")
    assert not stats.asked
    assert (found.filename, found.path_info, found.status) == (None, None, 0)
    assert found.conf[core.SET_HANDLER] == "mod_python"


def test_a_long_path_that_is_missing_costs_few(site: Site, stats: Stats) -> None:
    site.configure("")("/nope" + "/x" * 1000)
    assert len(stats.asked) < len(site.root.parts) + 8


def test_a_location_with_a_fixup_handler_only_means_no_file(site: Site) -> None:
    found = site.configure("<Location /hello.txt>\nPythonFixupHandler fix\n</Location>")("/hello.txt")
    assert found.filename is None


def test_a_location_without_handlers_means_a_file(site: Site) -> None:
    found = site.configure("<Location /hello.txt>\nSetHandler server-status\n</Location>")("/hello.txt")
    assert found.filename == f"{site.root}/hello.txt"
    assert found.conf[core.SET_HANDLER] == "server-status"


def test_an_alias_leads_elsewhere_also_in_a_location_with_handlers(site: Site) -> None:
    text = f"Alias /al {site.root}/a\nAlias /app {site.root}/a\nAliasMatch ^/am/(.*) {site.root}/$1\n{LOCATION}"
    resolve_path = site.configure(text)
    assert resolve_path("/al/b/file.html").filename == f"{site.root}/a/b/file.html"
    assert resolve_path("/am/hello.txt").filename == f"{site.root}/hello.txt"
    assert resolve_path("/alx").filename == f"{site.root}/alx"
    found = resolve_path("/app/b/file.html")
    assert (found.filename, found.path_info) == (f"{site.root}/a/b/file.html", "")


def test_a_script_alias_forces_its_handler(site: Site) -> None:
    resolve_path = site.configure(f"ScriptAlias /cgi {site.root}/a\n")
    assert resolve_path("/cgi/b/file.html").handler == "cgi-script"
    assert resolve_path("/hello.txt").handler is None


def test_dots_that_an_alias_makes_are_resolved_before_sections_are_looked_up(site: Site) -> None:
    text = f"AliasMatch ^/x(.*)$ {site.root}/a$1\n<Directory {site.root}/a/b>\nSetHandler b\n</Directory>"
    found = site.configure(text)("/x/b/file.html")
    assert found.conf[core.SET_HANDLER] == "b"
    # a careless pattern: a, then ".." from the path, is the directory above
    found = site.configure(f"AliasMatch ^/y([^/]*)/(.*)$ {site.root}/a/$1/$2\n")("/y../hello.txt")
    assert found.filename == f"{site.root}/hello.txt"


def test_sections_and_access_files_on_the_way(site: Site) -> None:
    (site.root / "a" / ".htaccess").write_text("SetHandler outer\nAuthName x\n")
    (site.root / "a" / "b" / ".htaccess").write_text("SetHandler inner\n")
    text = f"<Directory {site.root}>\nAllowOverride All\n</Directory>\n<Files *.html>\nForceType x/y\n</Files>\n"
    resolve_path = site.configure(text)
    assert resolve_path("/hello.txt").conf[core.SET_HANDLER] is None
    for path in ("/a", "/a/", "/a/nope", "/a/nope/x"):
        assert resolve_path(path).conf[core.SET_HANDLER] == "outer", path
    found = resolve_path("/a/b/file.html")
    assert found.conf[core.SET_HANDLER] == "inner"
    assert found.conf[authn_core.AUTH_NAME] == "x"
    assert found.conf[core.FORCE_TYPE] == "x/y"
    assert resolve_path("/a/b/missing.html/info").conf[core.FORCE_TYPE] == "x/y"
    assert resolve_path("/a/b/").conf[core.FORCE_TYPE] is None


def test_files_sections_hold_for_a_directory_that_is_named_without_its_slash(site: Site) -> None:
    (site.root / "secret").mkdir()
    resolve_path = site.configure("<Files secret*>\nSetHandler s\n</Files>\n")
    assert resolve_path("/secret").conf[core.SET_HANDLER] == "s"
    assert resolve_path("/secret/").conf[core.SET_HANDLER] is None
    assert resolve_path("/secret/x").conf[core.SET_HANDLER] is None


def test_a_faulty_access_file_is_an_error_of_the_server(site: Site) -> None:
    (site.root / ".htaccess").write_text("Foo bar\n")
    found = site.configure(f"<Directory {site.root}>\nAllowOverride All\n</Directory>")("/hello.txt")
    assert found.status == 500
    assert ".htaccess" in found.reason
    assert "Foo" in found.reason


def test_equal_sections_give_the_same_configuration(site: Site) -> None:
    resolve_path = site.configure(LOCATION)
    assert resolve_path("/hello.txt").conf is resolve_path("/a/b/file.html").conf
    assert resolve_path("/app/x").conf is resolve_path("/app/y").conf


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Resource]:
    folder = tmp_path_factory.mktemp("conf")
    (folder / "www").mkdir()
    (folder / "httpd.conf").write_text(f"DocumentRoot {folder}/www\n")
    configuration = load(str(folder / "httpd.conf"), registry(), root=str(folder))
    main = main_site(configuration)
    return lambda path: resolve(main, path, None)


@given(PATHS)
def test_whatever_is_asked_for_lies_below_the_root(ask: Callable[[str], Resource], path: str) -> None:
    found = ask(path)
    if found.status in (400, 404):
        assert found.filename is None
    else:
        root = (ask("/").filename or "").rstrip("/")
        assert ((found.filename or "") + (found.path_info or "")).startswith(root + "/")


# ---- permissions


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that everybody may look into, unlike pytest's own."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Be somebody for whom permissions count."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("overrides", ["None", "All"])
def test_a_directory_that_may_not_be_searched(public: Path, overrides: str, request: pytest.FixtureRequest) -> None:
    (public / "httpd.conf").write_text(
        f"DocumentRoot {public}\n<Directory {public}>\nAllowOverride {overrides}\n</Directory>\n"
    )
    (public / "closed").mkdir()
    (public / "closed" / "x.txt").write_text("x")
    (public / "closed").chmod(0o600)
    (public / "unreadable").mkdir()
    (public / "unreadable" / ".htaccess").write_text("")
    (public / "unreadable" / ".htaccess").chmod(0)
    configuration = load(str(public / "httpd.conf"), registry(), root=str(public))
    htaccess = HtaccessCache(configuration)
    request.getfixturevalue("nobody")
    try:
        for path in ("/closed/x.txt", "/closed/nope", "/closed/nope/x"):
            assert resolve(main_site(configuration), path, htaccess).status == 403, path
        expected = 403 if overrides == "All" else 0
        assert resolve(main_site(configuration), "/unreadable/nope", htaccess).status == expected
    finally:
        if not os.getuid():
            os.seteuid(0)
        (public / "closed").chmod(0o700)
