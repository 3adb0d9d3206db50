"""A site with filters for `conftest.StartServer`: one folder for each of them, and chains of several."""

from __future__ import annotations

STREAMS = '''
from mod_python import apache

def pipe(filter, change):
    data = filter.read()
    while data:
        filter.write(change(data))
        data = filter.read()
    if data is None:
        filter.close()

def upper(filter):
    pipe(filter, bytes.upper)

def star(filter):
    pipe(filter, lambda data: b"*" + data + b"*")

def dash(filter):
    pipe(filter, lambda data: b"-" + data + b"-")

def outputfilter(filter):
    pipe(filter, lambda data: b"{" + data + b"}")

def inputfilter(filter):
    pipe(filter, lambda data: b"[" + data + b"]")

def passed(filter):
    filter.pass_on()

def each_line(filter, mark):
    line = filter.readline()
    while line:
        filter.write(mark + line)
        line = filter.readline()
    if line is None:
        filter.close()

def lines(filter):
    each_line(filter, b"> ")

def calls(filter):
    """Tells what each of its calls was given."""
    while True:
        data = filter.read()
        filter.write(repr(data) + ";")
        if data is None:
            filter.close()
        if not data:
            return

def members(filter):
    filter.write(repr((filter.name, filter.handler, filter.dir, filter.is_input, filter.closed, filter.softspace)))
    filter.write("|%s|%s|%s" % (filter.req.uri, filter.req.interpreter == apache.interpreter, filter.req.phase))
    while filter.read():
        pass
    filter.close()
    for use in (filter.read, filter.readline, filter.flush, lambda: filter.write("x")):
        try:
            use()
        except ValueError as error:
            assert str(error) == "I/O operation on closed filter"
        else:
            raise AssertionError(use)

def types(filter):
    told = []
    for value in (1, None, bytearray(b"x"), memoryview(b"x")):
        try:
            filter.write(value)
        except TypeError:
            told.append(type(value).__name__)
    for change in (lambda: setattr(filter, "own", 1), lambda: setattr(filter, "name", "x")):
        try:
            change()
        except AttributeError:
            told.append("refused")
    filter.softspace = 4
    while filter.read():
        pass
    filter.write("\\xe4 %s %d" % (",".join(told), filter.softspace))
    filter.close()

def early(filter):
    if filter.read() is not None:
        filter.write("enough")
    filter.close()

def never(filter):
    """Forgets to close."""
    data = filter.read()
    if data:
        filter.write(data)

def disabled(filter):
    filter.disable()
    filter.pass_on()

def fails(filter):
    raise ValueError("asked to")

def fails_late(filter):
    if filter.req.uri.endswith("flushed") and filter.read() != b"second":
        filter.write("begun ")
        return
    raise ValueError("at last")

def status(filter):
    data = filter.read()
    if data:
        filter.write(data)
    raise apache.SERVER_RETURN(apache.OK, 404)

def head(filter):
    filter.req.headers_out["X-Filter"] = filter.name
    filter.req.content_type = "text/x-filtered"
    pipe(filter, bytes.upper)

def talks(filter):
    """Writes by the request, which the manual warns of."""
    filter.req.write("never")
    pipe(filter, bytes.upper)

class Kind:
    def __init__(self, filter):
        self.name = filter.name.encode()

    def method(self, filter):
        pipe(filter, lambda data: self.name + b":" + data)

def whole(filter):
    """Wants the whole body."""
    parts = []
    while True:
        data = filter.read()
        if data is None:
            break
        parts.append(data)
    filter.write(b"".join(parts)[::-1])
    filter.close()

def numbered(filter):
    each_line(filter, b"# ")

def swallow(filter):
    while filter.read():
        pass
    filter.close()

def nothing(filter):
    pass

def stuck(filter):
    while True:
        pass
'''

APP = """
from mod_python import apache, util

def handler(req):
    req.content_type = "text/plain"
    how = req.path_info[1:]
    if how == "flushed":
        req.write("first ")
        req.write("second")
    elif how == "length":
        req.set_content_length(12)
        req.write("first second", 0)
    elif how == "error":
        return 404
    elif how == "raise":
        raise RuntimeError("the handler's")
    elif how == "late":
        req.write("before ")
        return 404
    elif how == "redirect":
        req.internal_redirect("/plain/page.txt")
    elif how == "nocontent":
        req.status = 204
    elif how == "file":
        req.sendfile(req.document_root() + "/plain/page.txt")
    elif how == "dynamic":
        req.register_output_filter("MINE", "streams::members", "/tmp")
        req.add_output_filter("MINE")
        req.write("x", 0)
    elif how == "added":
        req.write("one ", 1)
        req.add_output_filter("star")
        req.add_output_filter("DASH")
        req.write("two", 0)
    elif how == "unknown":
        req.add_output_filter("NOBODY")
        req.add_input_filter("UPPER")
        req.write("as it was", 0)
    elif how == "builtin":
        req.add_output_filter("CONTENT_LENGTH")
        req.write("counted", 0)
    elif how == "types":
        told = []
        for use, arguments in ((req.add_output_filter, (5,)), (req.add_input_filter, (b"x",)),
                               (req.register_output_filter, ("x", 5)), (req.register_input_filter, ("x", "y", 5))):
            try:
                use(*arguments)
            except TypeError:
                told.append("TypeError")
        req.write(" ".join(told))
    elif how == "echo":
        req.write(req.read(), 0)
    else:
        req.write("first ", 0)
        req.write("second", 0)
    return apache.OK

def body(req):
    how = req.path_info[1:]
    if how == "dynamic":
        req.register_input_filter("MINE", "streams::numbered")
        req.add_input_filter("MINE")
    elif how == "added":
        start = req.read(3)
        req.add_input_filter("INSTAR")
        req.write(start + b"|" + req.read(), 0)
        return apache.OK
    elif how == "parts":
        req.write(repr([req.read(4), req.readline(), req.read(2), req.readlines()]), 0)
        return apache.OK
    elif how == "form":
        form = util.FieldStorage(req)
        req.write(repr(sorted(form.keys())), 0)
        return apache.OK
    elif how == "unread":
        req.write("unread", 0)
        return apache.OK
    elif how == "redirect":
        req.internal_redirect("/in/none.py/x")
        return apache.OK
    req.write(req.read(), 0)
    return apache.OK
"""

NAMES = (
    "upper", "star", "dash", "passed", "lines", "calls", "members", "types", "early", "never", "disabled", "fails",
    "fails_late", "status", "head", "talks",
)  # fmt: skip
INPUTS = ("star", "dash", "whole", "numbered", "swallow", "nothing", "fails", "passed", "disabled")


def conf() -> str:
    """One folder for each filter, and some for more."""
    lines = ["DirectoryIndex index.txt", "AddHandler mod_python .py", "PythonHandler app"]
    lines += [f"PythonOutputFilter streams::{name} {name.upper()}" for name in NAMES]
    lines += [f"PythonInputFilter streams::{name} IN{name.upper()}" for name in INPUTS]
    lines += ["PythonOutputFilter streams", "PythonOutputFilter streams::Kind.method KIND"]
    lines.append("PythonInputFilter streams BRACKET")
    for name in NAMES:
        lines.append(f'<Directory "${{WWW}}/{name}">\nSetOutputFilter {name}\n</Directory>')
    for name in INPUTS:
        lines.append(f'<Files "{name}.py">\nSetInputFilter IN{name}\nPythonHandler app::body\n</Files>')
    return (
        "\n".join(lines)
        + """
        PythonPath "sys.path + ['${WWW}']"
        <Location /elsewhere>
            PythonOutputFilter streams::star APART
        </Location>
        <Directory "${WWW}/debug">
            SetOutputFilter FAILS
            PythonDebug On
        </Directory>
        <Directory "${WWW}/chain">
            SetOutputFilter STAR;DASH
            AddOutputFilter UPPER .txt
            AddOutputFilterByType STREAMS text/plain
        </Directory>
        <Directory "${WWW}/ext">
            AddOutputFilter STAR;UPPER txt
            AddOutputFilter DASH .html .gone
            RemoveOutputFilter .gone
            AddInputFilter INSTAR;INDASH .py
        </Directory>
        <Directory "${WWW}/bytype">
            AddOutputFilterByType STAR text/html
            AddOutputFilterByType DASH;UPPER text/plain text/html
        </Directory>
        <Directory "${WWW}/ht">
            AllowOverride FileInfo
        </Directory>
        <Directory "${WWW}/odd">
            SetOutputFilter NOBODY;STREAMS;KIND
        </Directory>
        <Directory "${WWW}/apart">
            SetOutputFilter APART
        </Directory>
        <Directory "${WWW}/errors">
            SetOutputFilter STAR
            ErrorDocument 404 /upper/page.txt
            ErrorDocument 403 "no entry"
        </Directory>
        <Directory "${WWW}/in">
            PythonHandler app::body
            <Files two.py>
                SetInputFilter INSTAR;INDASH
            </Files>
            <Files bracket.py>
                SetInputFilter bracket
            </Files>
        </Directory>
        <Directory "${WWW}/published">
            SetOutputFilter UPPER
            SetHandler mod_python
            PythonHandler mod_python.publisher
        </Directory>
        <Directory "${WWW}/wsgi">
            SetOutputFilter UPPER
            SetHandler mod_python
            PythonHandler mod_python.wsgi
            PythonOption mod_python.wsgi.application wsgiapp
            PythonOption mod_python.wsgi.base_uri /wsgi
        </Directory>
        <Directory "${WWW}/perdir">
            SetOutputFilter MEMBERS
            PythonInterpPerDirectory On
        </Directory>
    """
    )


PAGE = "one\ntwo\nthree\n"
FOLDERS = (*NAMES, "plain", "debug", "chain", "ext", "bytype", "ht", "odd", "apart", "errors", "in", "perdir")


def site() -> dict[str, str | bytes]:
    """The pages."""
    files: dict[str, str | bytes] = {
        "streams.py": STREAMS,
        "app.py": APP,
        "big.txt": b"0123456789abcde\n" * (1 << 17),
    }
    for folder in FOLDERS:
        files |= {f"{folder}/app.py": APP, f"{folder}/page.txt": PAGE, f"{folder}/page.html": "<p>text</p>\n"}
    files |= {f"in/{name}.py": "" for name in (*INPUTS, "two", "bracket", "none")}
    files |= {
        "upper/index.txt": "the index\n",
        "ext/page.gone": "gone\n",
        "ht/.htaccess": "SetOutputFilter STAR\n",
    }
    files |= {
        "upper/big.txt": files["big.txt"],
        "passed/big.txt": files["big.txt"],
        "lines/big.txt": files["big.txt"],
    }
    files["published/page.py"] = "def hello(req, name='x'):\n    return '<html>hello %s</html>' % name\n"
    files["wsgiapp.py"] = (
        "def application(environ, start_response):\n"
        "    start_response('202 Accepted', [('Content-Type', 'text/plain'), ('Content-Length', '3')])\n"
        "    return [b'ab', b'c']\n"
    )
    files["wsgi/x"] = ""
    return files
