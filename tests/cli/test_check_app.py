"""``mpserver check-app``: what old applications and configurations have that does not run here, by file and line."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mpserver.cli import check_app
from mpserver.cli.old_code import findings
from support.waiting import PATIENCE

#: A line of a source, and the remedy that it gets.
OLD = {
    'print "hello"': "print(...)",
    "print x, y": "print(...)",
    "if x: print x": "print(...)",
    "print >>log, x": "print(..., file=...)",
    'exec "x = 1" in d': "exec(code, namespace)",
    "except (KeyError, ValueError), e:": "write except A as b",
    "except IOError, e:": "write except A as b",
    'raise ValueError, "x"': 'raise A("text")',
    'raise "text"': "raise an exception of a class",
    "x = `y`": "repr(x)",
    "if a <> b:": "!=",
    "os.chmod(x, 0755)": "0o755",
    "x = 10L": "10L is 10",
    'x = ur"a"': 'r""',
    "def f(a, (b, c)):": "can't be unpacked",
    "f = lambda (a, b): a": "takes one argument",
    "if d.has_key(x):": "x in dict",
    "for k, v in d.iteritems():": "items()",
    "x = it.next()": "next(x)",
    "def __nonzero__(self):": "__bool__",
    "x = sys.maxint": "sys.maxsize",
    'x = string.join(y, "")': "methods of str",
    "x = urllib.quote(y)": "urllib.parse",
    "x = unicode(y)": "unicode: str",
    "isinstance(x, basestring)": "basestring: str",
    "for i in xrange(5):": "xrange: range",
    "reload(module)": "importlib.reload",
    "f = file(x)": "open(x)",
    'x = y.encode("hex")': "binascii",
    'x = hashlib.md5("x").hexdigest()': "text.encode()",
    "body = req.read()": "gives bytes",
    "x = form['f'].file.read()": "gives bytes",
    "x = req.connection.remote_ip": "client_ip",
    "from mod_python import importer": "apache.import_module",
    "import urllib2, os": "urllib.request",
    "from StringIO import StringIO": "io.StringIO",
    "import Cookie": "mod_python.Cookie",
    "import cgi": "util.FieldStorage",
    "import imp": "importlib",
    "import dl, new, user": "nothing: leave it out",
    "from types import FunctionType, StringType": "isinstance(x, str)",
    "if type(x) == types.DictType:": "isinstance(x, str)",
    "i, o = os.popen2(x)": "subprocess.Popen",
    "os.path.walk(x, f, None)": "os.walk",
    "name = os.tmpnam()": "tempfile",
    "begin = time.clock()": "time.perf_counter",
    "if thread.isAlive():": "is_alive()",
    "x = cgi.escape(y)": "html.escape",
    "x = inspect.getargspec(f)": "inspect.signature",
    "isinstance(x, collections.Mapping)": "collections.abc",
    "for a, b in itertools.izip(x, y):": "zip, map, filter",
    'x = json.loads(y, encoding="utf-8")': "it reads str",
    "from email.MIMEText import MIMEText": "email.mime.text",
    "x = map(f, y)[0]": "list(map(...))",
    "x = len(filter(f(1), y))": "list(map(...))",
    "x = d.keys()[0]": "list(d)[0]",
    "x.sort(lambda a, b: a - b)": "functools.cmp_to_key",
    "x = sorted(y, cmp=f)": "functools.cmp_to_key",
    "def __cmp__(self, other):": "functools.total_ordering",
    "def __unicode__(self):": "__str__",
    "def __getslice__(self, i, j):": "which gets a slice",
    "text = e.message": "str(e)",
    'x = req.filename.decode("utf-8")': "it is text already",
    "x = hashlib.sha1(password).hexdigest()": "text.encode()",
}

#: Several lines of a source, and what is told of its last one.
OLD_LINES = {
    "def f(d):\n    names = d.keys()\n    names.sort()": "names is no list",
    "def f(x):\n    x = map(str, x)\n    x.append(1)": "x is no list",
    "def f(x):\n    a = 1\n\tb = 2": "tabs and blanks are mixed",
}

#: What looks like these, and is right.
NEW = """
from __future__ import annotations

import urllib.parse
from mod_python import Cookie, apache, util


def handler(req):
    '''print "x" in a docstring
    raise ValueError, "x"
    '''
    print("x", file=None)  # print "x"
    printed = print
    text = "except IOError, e: `x` <> 0755 10L"
    if req.headers_in.has_key("X") or req.form.has_key("x"):
        raise apache.SERVER_RETURN(apache.HTTP_FORBIDDEN)
    number = 0o755 + 0 + 0x1F + 10_000 + 0.75
    file = [name for name, file in []]
    try:
        exec("x = 1")
    except (KeyError, ValueError) as error:
        raise LookupError("a, b") from error
    return apache.OK


def reduce(function, items, cmp=None):
    return cmp(items) if cmp else f"{items!r:>{10}}".encode("utf-8")


def listed(table, parser):
    names = list(table.keys())
    names.sort()
    first = list(map(str, names))[0]
    pairs = dict(zip(names, (len(name) for name in names)))[first]
    keys = table.keys()
    keys = sorted(keys)
    keys.append(
	"a tab within brackets")
    parser.add_argument(first, type=argparse.FileType("r"))
    digest = hashlib.sha1(first.encode()).hexdigest()
    return pairs, digest, keys


value = reduce(None, [])
"""


@pytest.mark.parametrize("line", OLD)
def test_what_is_old_gets_its_remedy(line: str) -> None:
    found = list(findings(f"# first\n{line}\n", "app.py", parse=False))
    assert [(one.file, one.line) for one in found] == [("app.py", 2)] * len(found)
    assert any(OLD[line] in one.text for one in found), found


@pytest.mark.parametrize("lines", OLD_LINES)
def test_what_several_lines_tell(lines: str) -> None:
    (found,) = findings(lines, "app.py", parse=False)
    assert (found.line, OLD_LINES[lines] in found.text) == (3, True)


def test_each_line_is_told_of_once() -> None:
    assert len(list(findings("print >>log, x", "app.py", parse=False))) == 1


def test_what_is_right_is_not_told_of() -> None:
    assert list(findings(NEW, "app.py")) == []


def test_what_python_can_not_read_is_told() -> None:
    (found,) = findings("x = 1\ny = = 2\n", "app.py")
    assert (found.line, found.text) == (2, "Python can't read this: invalid syntax")


def run(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """The status, and the lines."""
    status = check_app.main([str(path)])
    return status, capsys.readouterr().out.splitlines()


def test_a_configuration_and_the_applications_that_it_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("app", "www", "other", "packages/fast"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "app" / "shop.py").write_text("import fast, no_such_one\nimport helper\nprint 'x'\n")
    (tmp_path / "app" / "helper.py").write_text("")
    (tmp_path / "app" / "site-packages").mkdir()
    (tmp_path / "app" / "site-packages" / "theirs.py").write_text("print 'x'\n")
    (tmp_path / "www" / "page.psp").write_text("<html>\nprint this\n<%\nif a <> b:\n%>\n<%= x %>\n")
    (tmp_path / "other" / "not.py").write_text("print 'x'\n")
    (tmp_path / "packages" / "fast" / "__init__.py").write_text("import faulthandler\n")
    (tmp_path / "packages" / "fast" / "_fast.so").write_bytes(b"")
    conf = tmp_path / "httpd.conf"
    conf.write_text(
        f"LoadModule php_module modules/libphp.so\nListen 8080\nPythonHandlr shop\nDavLockDB /x\n"
        f"PythonPath \"sys.path + ['{tmp_path}/app']\"\nDocumentRoot {tmp_path}/www\n"
        f"<Directory {tmp_path}/other>\n    Require all granted\n</Directory>\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))
    status, lines = run(conf, capsys)
    assert status == 1
    starts = [
        f"{tmp_path}/app/shop.py:1: {'fast: ' if sys.version_info >= (3, 12) else ''}",
        f"{tmp_path}/app/shop.py:1: the module no_such_one is not here: install its package, or name its folder",
        f"{tmp_path}/app/shop.py:3: print is a function: print(...)",
        f"{conf}:1: Can't locate API module structure `php_module'",
        f"{conf}:3: Invalid command 'PythonHandlr', perhaps misspelled",
        f"{conf}:4: Invalid command 'DavLockDB', perhaps misspelled",
        f"{tmp_path}/www/page.psp:4: <> is !=",
        "3 files: 5 places to change, and 2 to look at",
    ]
    assert len(lines) == len(starts), lines
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(start)
    assert "PythonInterpBackend auto moves the application to a process" in lines[0]
    assert lines[4].endswith("did you mean PythonHandler?")


def test_modules_of_handlers_of_packages_and_of_the_application(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "app/user.py": "x = 1\n", "app/page.py": "import user\nimport shop\n", "app/shop/__init__.py": "",
        "app/shop/prices.py": "import basket\nimport user\nimport prices_of_others\n", "app/shop/basket.py": "",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    conf = tmp_path / "httpd.conf"
    conf.write_text(
        f"PythonPath \"sys.path + ['{tmp_path}/app']\"\n<Location />\nPythonHandler page mod_python.publisher | .py\n"
        "PythonAuthenHandler nobody::authen\n</Location>\nPythonImport shop.prices site\n"
    )
    status, lines = run(conf, capsys)
    missing = "is not here: install its package, or name its folder in PythonPath"
    assert lines == [
        f"{tmp_path}/app/shop/prices.py:1: basket is a module of the same package: from . import basket",
        f"{tmp_path}/app/shop/prices.py:3: the module prices_of_others {missing}",
        f"{conf}:4: the module nobody {missing}",
        "5 files: 1 place to change, and 2 to look at",
    ]
    assert status == 1


def test_an_application_that_runs_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app.py").write_text(NEW)
    (tmp_path / ".#app.py").symlink_to(tmp_path / "nobody@nowhere")  # (as editors leave them)
    assert run(tmp_path, capsys) == (0, ["1 file: 0 places to change, and 0 to look at"])
    assert check_app.main([str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == f"mpserver check-app: there is no {tmp_path}/none\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_can_not_be_read_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "own").mkdir(0o700)
    (tmp_path / "app.py").write_text(NEW)
    (tmp_path / "app.py").chmod(0o600)
    code = """
        import gettext, locale, os, sys  # (what argparse imports as it is used, and may not be readable then)
        from mpserver.cli import check_app
        os.setresuid(65534, 65534, 0)
        os.chdir("/proc/self/fd/" + sys.argv[1])
        print(check_app.main(["."]))
        """
    folder = os.open(tmp_path, os.O_PATH)
    os.set_inheritable(folder, True)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)],
        pass_fds=[folder], stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    os.close(folder)
    assert done.stdout.splitlines() == [
        "app.py:0: this can't be read: Permission denied",
        "own:0: this can't be read: Permission denied",
        "1 file: 2 places to change, and 0 to look at",
        "1",
    ]
