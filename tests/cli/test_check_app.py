"""``mpserver check-app``: what old applications and configurations have that does not run here, by file and line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mpserver.cli import check_app
from mpserver.cli.old_code import findings

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


value = reduce(None, [])
"""


@pytest.mark.parametrize("line", OLD)
def test_what_is_old_gets_its_remedy(line: str) -> None:
    found = list(findings(f"# first\n{line}\n", "app.py", parse=False))
    assert [(one.file, one.line) for one in found] == [("app.py", 2)] * len(found)
    assert any(OLD[line] in one.text for one in found), found


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


def test_an_application_that_runs_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app.py").write_text(NEW)
    (tmp_path / ".#app.py").symlink_to(tmp_path / "nobody@nowhere")  # (as editors leave them)
    assert run(tmp_path, capsys) == (0, ["1 file: 0 places to change, and 0 to look at"])
    assert check_app.main([str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == f"mpserver check-app: there is no {tmp_path}/none\n"
