"""A site whose applications decide themselves who somebody is, how a response is framed, and where a request goes."""

from __future__ import annotations

CONF = """
PythonPath "sys.path + ['${WWW}']"
PythonInputFilter app::disabled OFF
PythonInputFilter app::portion PORTION
PythonInputFilter app::star STAR
PythonInputFilter app::idle IDLE
PythonOutputFilter app::disabled UNFILTERED
PythonOutputFilter app::portion PART
<Directory "${WWW}">
    SetHandler mod_python
    PythonHandler app
</Directory>
<Directory "${WWW}/any">
    PythonHeaderParserHandler app::login
    Require valid-user
</Directory>
<Directory "${WWW}/joe">
    PythonAccessHandler app::login
    PythonAuthenHandler app::authen
    PythonAuthzHandler app::authz
    AuthType Basic
    AuthName joe
    Require user joe
</Directory>
<Directory "${WWW}/group">
    PythonHeaderParserHandler app::login
    Require group staff
</Directory>
<Directory "${WWW}/closed">
    PythonHeaderParserHandler app::login
    Require all denied
</Directory>
<Files ~ "^off$">
    SetInputFilter OFF
    SetOutputFilter UNFILTERED
</Files>
<Files "off-star">
    SetInputFilter OFF;STAR
</Files>
<Files "star-off">
    SetInputFilter STAR;OFF
</Files>
<Files "portion">
    SetInputFilter PORTION
</Files>
<Files "idle">
    SetInputFilter IDLE
</Files>
<Files "part">
    SetOutputFilter PART
</Files>
<Directory "${WWW}/doc">
    ErrorDocument 410 /doc/shown
    ErrorDocument 404 /file.txt
</Directory>
<Location /doc/shown>
    SetHandler mod_python
    PythonHandler app::shown
</Location>
<Location /go>
    SetHandler mod_python
    PythonHandler app::go
</Location>
<Location /went>
    SetHandler mod_python
    PythonHandler app::went
</Location>
<Directory "${WWW}/ext">
    SetHandler none
    AddHandler mod_python .here
    PythonHandler app::named
</Directory>
<Files "*.txt">
    SetHandler none
</Files>
<Directory "${WWW}/slash">
    SetHandler none
    AddHandler mod_python .py
    DirectoryIndex index.py
    PythonHandler app::path
</Directory>
Alias /far/away "${WWW}/slash"
<Location /place>
    SetHandler mod_python
    PythonHandler app::path
</Location>
<LocationMatch "^/many//x">
    SetHandler mod_python
    PythonHandler app::path
</LocationMatch>
<Location /closed>
    Require all denied
</Location>
<VirtualHost *:${PORT}>
    ServerName merged.test
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName on.test
    AllowEncodedSlashes On
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName nodecode.test
    AllowEncodedSlashes NoDecode
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName apart.test
    MergeSlashes Off
</VirtualHost>
"""

APP = r'''
from mod_python import apache


def login(req):
    """Somebody whom a cookie names."""
    name, _, groups = (req.headers_in.get("Cookie") or "").partition("/")
    if name:
        req.user = name
        req.notes["groups"] = groups
    return apache.OK


def authen(req):
    req.err_headers_out.add("X-Ran", "authen")
    req.user = "joe"
    return apache.OK


def authz(req):
    req.err_headers_out.add("X-Ran", "authz")
    return apache.DECLINED


def disabled(filter):
    filter.disable()


def portion(filter):
    filter.write(b"<%b>" % (filter.read(3 if filter.is_input else 2) or b""))
    filter.disable()


def star(filter):
    data = filter.read()
    while data:
        filter.write(b"*" + data)
        data = filter.read()
    if data is None:
        filter.close()


def idle(filter):
    pass


def shown(req):
    """The document of an error."""
    original = req.subprocess_env["REDIRECT_REQUEST_METHOD"]
    req.err_headers_out["X-Methods"] = f"{req.method} {req.prev.method} {original}"
    req.write(req.read(), 0)
    return apache.OK


def go(req):
    """What the query says, one after the other."""
    req.content_type = "text/plain"
    for deed in req.args.split("&"):
        verb, _, argument = deed.partition("=")
        if verb == "to":
            req.internal_redirect(argument)
        else:
            req.write(argument, verb == "write")
    return apache.OK


def went(req):
    req.content_type = "text/plain"
    name = req.uri.rpartition("/")[2]
    if name == "prev":
        req.prev.write("prev,")
        req.write("this")
    elif name == "mixed":
        req.write("1", 0)
        req.prev.write("2", 0)
        req.write("3")
        req.prev.write("4")
        req.write("5")
    elif name == "file":
        req.prev.sendfile(req.prev.document_root() + "/long.txt")
        req.prev.flush()
        req.write("this")
    else:
        req.write(name, 0)
    return apache.OK


def path(req):
    req.content_type = "text/plain"
    req.write(f"{req.uri} {req.path_info} {req.filename and req.filename.rpartition('/')[2]}")
    return apache.OK


def named(req):
    req.content_type = "text/plain"
    req.write(f"{req.uri} {req.filename.rpartition('/')[2]}{req.path_info}")
    return apache.OK


def handler(req):
    req.content_type = "text/plain"
    if "X-Reads" in req.headers_in:
        req.read(int(req.headers_in["X-Reads"] or 0))
    if "X-Echo" in req.headers_in:
        req.write(req.read())
        return apache.OK
    for line in req.headers_in.get("X-Out", "").split("|"):
        name, _, value = line.partition("=")
        if name:
            table = req.err_headers_out if name.startswith("!") else req.headers_out
            table.add(name.lstrip("!"), value)
    for text in req.headers_in["X-Write"].split("|") if "X-Write" in req.headers_in else ():
        if text == "FLUSH":
            req.flush()
        else:
            req.write(text.encode().decode("unicode_escape"), "X-Wait" not in req.headers_in)
    return int(req.headers_in.get("X-Status", "0"))
'''

FILES: dict[str, str | bytes] = {
    "app.py": APP, "page": "", "any/page": "", "joe/page": "", "group/page": "", "closed/page": "",
    "in/off": "", "in/off-star": "", "in/star-off": "", "in/portion": "", "in/idle": "", "out/off": "", "out/part": "",
    "doc/page": "", "file.txt": "the file", "long.txt": "the file" * 9000, "ext/page": "",
    "slash/f.py": "", "slash/deep/index.py": "",
}  # fmt: skip
