"""``mpserver serve``: applications of every kind without a configuration, and what is said of wrong ones."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mpserver.cli.served import find
from mpserver.errors import UsageError
from support.checking import untold
from support.commands import command, running
from support.server import Port
from support.waiting import PATIENCE, wait_for

WSGI = """
def answering(text):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [text.encode() + environ["PATH_INFO"].encode()]
    return app

app = answering("app ")

def make_app():
    return answering("made ")

number = 1
"""

FILES = {
    "shop.py": WSGI,
    "shop.wsgi": WSGI,
    "broken.py": "import nothing_of_the_kind\n",
    "unfinished.py": "def app(:\n",
    "hello.py": "def handler(req):\n    req.write('hello from the handler')\n    return 0\n",
    "pages.py": "def index(req):\n    return 'the index'\n\ndef more(req, name):\n    return f'more of {name}'\n",
    "page.psp": "<%= 6 * 7 %>\n",
    "static/index.html": "a file\n",
    "notes.txt": "notes\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with applications."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[tuple[str, Path]]:
    """A server for what the words say: its host and port, and the file with what it prints."""
    port = Port()
    said = folder / "said.txt"
    address = f"127.0.0.1:{port.number}"
    try:
        with running(folder, said, "serve", "--bind", address, *words):
            wait_for(lambda: "resuming normal operations" in said.read_text(), "the server to start")
            yield address, said
    finally:
        port.release()


def get(address: str, path: str, scheme: str = "http") -> str:
    """What is answered."""
    context = ssl._create_unverified_context() if scheme == "https" else None
    with urllib.request.urlopen(f"{scheme}://{address}{path}", timeout=PATIENCE, context=context) as reply:
        text: bytes = reply.read()
        return text.decode()


@pytest.mark.parametrize(
    ("application", "path", "text"),
    [
        ("shop", "/x", "app /x"),
        ("shop:make_app()", "/", "made /"),
        ("shop.wsgi", "/y", "app /y"),
        ("hello.py", "/any", "hello from the handler"),
        ("pages.py", "/pages.py/more?name=Zoe", "more of Zoe"),
        ("page.psp", "/", "42\n"),
        ("static", "/", "a file\n"),
    ],
)
def test_applications(folder: Path, application: str, path: str, text: str) -> None:
    with serving(folder, application) as (address, said):
        assert get(address, path) == text
        wait_for(lambda: f"  200  GET {path} HTTP/1.1  " in said.read_text(), "the line of the request")
        told = said.read_text()
    assert f"  address      http://{address}/\n" in told
    assert ("none: these are files" in told) == (application == "static")
    assert "  stop         Ctrl-C\n" in told


def status(address: str, path: str) -> int:
    """The status of an answer."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE) as reply:
            found: int = reply.status
            return found
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


#: What lies in the folders that people serve, and what is to be had of it.
PRIVATE = (
    ".env", ".git/config", "key.pem", "server.key", "passwd", "httpd.conf", "error.log", "data.sqlite3", "data.db-wal",
    "sub/.htpasswd", "index.html~", "settings.INI",
)  # fmt: skip
PUBLIC = ("page.html", "users/zoe.html", ".well-known/security.txt", "sub/environment.txt")


def test_what_lies_in_a_folder_and_is_nobodys_business(tmp_path: Path) -> None:
    for name in (*PRIVATE, *PUBLIC):
        (tmp_path / "site" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "site" / name).write_text(name)
    with serving(tmp_path, "site") as (address, _said):
        assert {name: status(address, f"/{name}") for name in PRIVATE} == dict.fromkeys(PRIVATE, 403)
        assert {name: status(address, f"/{name}") for name in PUBLIC} == dict.fromkeys(PUBLIC, 200)
        listing = get(address, "/")
        assert "Last modified" in listing
        assert 'href="page.html"' in listing
        assert [name for name in PRIVATE if f'href="{name}"' in listing] == []
        assert ">users/<" in listing
    (tmp_path / "site" / "pages.psp").write_text("<%= 1 %>")  # (now it is a folder with pages)
    made = "\n".join(find("site", str(tmp_path)).lines)
    assert "AddHandler mod_python .py .psp\n" in made
    assert '<LocationMatch "/\\.(?!well-known(/|$))">\n    Require all denied\n' in made


def test_one_file_is_served_alone(folder: Path) -> None:
    with serving(folder, "pages.py") as (address, said):
        assert get(address, "/") == "the index"
        (folder / "static" / "pages.py").write_text("def index(req): return 'below'\n")
        others = (
            "/notes.txt",
            "/shop.py",
            "/static/index.html",
            "/page.psp",
            "/static/pages.py",
            "/static/pages.py/more",
        )
        assert {path: status(address, path) for path in others} == dict.fromkeys(others, 403)
        told = said.read_text()
    assert f"  address      http://{address}/\n               http://{address}/pages.py/more\n" in told


@pytest.mark.parametrize(
    "top",
    [
        "apache.log_error('it begins')",
        "apache.exists_config_define('X')",
        "import _apache",
        "import atexit; atexit.register(print, 'the end')",
    ],
)
def test_what_only_a_server_has_is_left_to_it(tmp_path: Path, top: str) -> None:
    (tmp_path / "page.py").write_text(f"from mod_python import apache\n{top}\n\ndef handler(req):\n    return 0\n")
    assert find("page.py", str(tmp_path)).what == f"The handler {tmp_path}/page.py"


@pytest.mark.parametrize("application", ["hello.py", "shop:app"])
def test_broken_code_shows(folder: Path, application: str) -> None:
    """Whoever saves a mistake sees it in the browser, and the next change mends it."""
    name = application.partition(".")[0].partition(":")[0]
    file = folder / f"{name}.py"
    good = file.read_text()
    (folder / "parts.py").write_text("WORD = 1\n")
    file.write_text("import parts\n" + good)

    def change(path: Path, text: str) -> None:
        (folder / "new").write_text(text)
        (folder / "new").replace(path)

    def page() -> str:
        try:
            return get(address, "/")
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()

    with serving(folder, application) as (address, said):
        answer = get(address, "/")
        for broken, what in ((file, "SyntaxError"), (folder / "parts.py", "NameError")):
            before = broken.read_text()
            change(broken, before + ("def f(:\n" if what == "SyntaxError" else "no_such_name\n"))
            wait_for(lambda what=what: what in page(), "the error on the page")  # type: ignore[misc]
            change(broken, before + "# mended\n")
            wait_for(lambda: page() == answer, "the mended page")
    assert f"{name} can't be loaded: SyntaxError" in said.read_text()


@pytest.mark.parametrize("words", [("--https",), ("--https", "auto")])
def test_https_with_and_without_its_word(folder: Path, words: tuple[str, ...]) -> None:
    done = command(folder, "serve", "shop:app", *words, "--print-config")
    assert done.returncode == 0, done.stderr
    assert "SSLCertificateFile auto" in done.stdout


def test_reload_and_https(folder: Path) -> None:
    with serving(folder, "shop:app", "--https", "auto") as (address, _said):
        assert get(address, "/x", "https") == "app /x"
        (folder / "shop.py").write_text(WSGI.replace('"app "', '"new app "'))
        wait_for(lambda: get(address, "/x", "https") == "new app /x", "the new application")


def test_the_configuration_that_it_makes(folder: Path) -> None:
    printed = command(folder, "serve", "shop:app", "--print-config", "--bind", ":8123", "--workers", "2", "--no-reload")
    assert printed.returncode == 0
    assert "Listen 127.0.0.1:8123\n" in printed.stdout
    assert "PythonOption mod_python.wsgi.application shop:app\n" in printed.stdout
    assert "StartServers 2\n" in printed.stdout
    assert "PythonAutoReload Off\n" in printed.stdout
    (folder / "made.conf").write_text(printed.stdout)
    tested = command(folder, "-t", "-f", "made.conf")
    assert (tested.returncode, tested.stderr.splitlines()[-1]) == (0, "Syntax OK")


def test_folders_of_any_name(tmp_path: Path) -> None:
    """What a name has in it is not read as configuration, nor as Python."""
    folder = tmp_path / 'Zoe\'s "new" \\ shop'
    folder.mkdir()
    for name, text in {**FILES, "a page.psp": FILES["page.psp"]}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    made = [
        line for name in ("hello.py", "a page.psp", "static", "shop.wsgi") for line in find(name, str(folder)).lines
    ]
    (tmp_path / "made.conf").write_text("\n".join([f"ServerRoot {tmp_path}", "Listen 127.0.0.1:8123", *made]))
    tested = command(tmp_path, "-t", "-f", "made.conf")
    assert (tested.returncode, tested.stderr.splitlines()[-1]) == (0, "Syntax OK"), made
    with serving(folder, "shop") as (address, _said):
        assert get(address, "/x") == "app /x"
    for number, part in enumerate(("site[1]", "[", "what?", "*", "a\\\\b*", "{a}", "%{a}", "#1", "~")):
        odd = tmp_path / f"{number}" / part
        odd.mkdir(parents=True)
        (odd / "x[1].py").write_text(FILES["pages.py"])
        with serving(odd, ".") as (address, _said):
            assert get(address, "/x%5B1%5D.py") == "the index", part
    with pytest.raises(UsageError, match="can't stand in a configuration"):
        find(".", str(tmp_path / "${HOME}"))


@pytest.mark.parametrize(
    ("application", "said"),
    [
        ("shap", "no module 'shap' in {folder}; did you mean shop.py?"),
        ("shop:aps", "shop has no 'aps': it has answering, app, make_app; did you mean shop:app?"),
        ("pages", "pages has no 'application' or 'app': it has index, more; write module:object"),
        ("shop:number", "number of shop can't be called: it is of the type int"),
        ("broken", "ModuleNotFoundError: No module named 'nothing_of_the_kind' ({folder}/broken.py, line 1)"),
        ("unfinished:app", "unfinished can't be loaded: SyntaxError: "),
        ("unfinished.py", "({folder}/unfinished.py, line 1)"),
        ("halo.py", "there is no {folder}/halo.py; did you mean hello.py?"),
        ("notes.txt", "notes.txt is no application: name a folder, a module, or a file .py, .wsgi, .psp"),
    ],
)
def test_wrong_applications(folder: Path, application: str, said: str) -> None:
    """They fail at the start, in one line."""
    done = command(folder, "serve", application)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert said.format(folder=folder) in line


def test_help(tmp_path: Path) -> None:
    helps = [command(tmp_path, *words) for words in (("help", "serve"), ("serve", "--help"))]
    assert [done.returncode for done in helps] == [0, 0]
    assert helps[0].stdout == helps[1].stdout
    assert "--print-config" in helps[0].stdout
    assert command(tmp_path, "--help").stdout == command(tmp_path, "-h").stdout == command(tmp_path, "help").stdout
    assert command(tmp_path, "--version").stdout == command(tmp_path, "-v").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("serv", "x"), "mpserver: illegal argument -- serv: did you mean serve?"),
        (("help", "chek-app"), "mpserver help: there is no command chek-app: did you mean check-app?"),
        (("help", "zzz"), "mpserver help: there is no command zzz"),
        (("--verison",), "mpserver: illegal option -- verison: did you mean --version?"),
        (("-Z",), "mpserver: illegal option -- Z"),
        (("shop:app",), "mpserver: illegal argument -- shop:app: did you mean mpserver serve shop:app?"),
        ((".",), "mpserver: illegal argument -- .: did you mean mpserver serve .?"),
        (("-X", "site.conf"), "mpserver: illegal argument -- site.conf: did you mean -f site.conf?"),
        (
            ("-k", "strat"),
            (
                "mpserver: illegal option -- k: strat is none of start, stop, restart, graceful, reopen, upgrade, "
                "graceful-stop: did you mean start?"
            ),
        ),
    ],
)
def test_misspelled_commands(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """The mistake is told, and not all that there is."""
    done = command(tmp_path, *words)
    assert done.returncode == 1
    assert done.stderr.splitlines() in ([said], [said, "mpserver --help lists the options and commands."])


MISSPELLED = {
    "PythonHandlr app": "Invalid command 'PythonHandlr', perhaps misspelled or defined by a module not included in the "
    "server configuration: did you mean PythonHandler?",
    "documentroot1 /srv": "server configuration: did you mean DocumentRoot?",
    "WSGIScriptAlais / /srv/app.wsgi": "did you mean WSGIScriptAlias?",
}


def test_misspelled_directives(tmp_path: Path) -> None:
    assert untold(tmp_path, MISSPELLED) == []
