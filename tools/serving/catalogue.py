"""The applications: what each needs from PyPI, what it finds in its folder of data, and how it is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from serving import clients, wagtail
from serving.clients import Ask, Client

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
BOUNDARY = "multipart/form-data; boundary=b"
BIG = b"\0" * 2_000_000
UPLOAD = (
    b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nZo\xc3\xab\r\n'
    b'--b\r\nContent-Disposition: form-data; name="upload"; filename="f.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n" + BIG + b"\r\n--b--\r\n"
)
DAV_LOCK = (
    b'<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    b"<D:locktype><D:write/></D:locktype><D:owner>me</D:owner></D:lockinfo>"
)
EVENT = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nBEGIN:VEVENT\r\nUID:one\r\nDTSTAMP:20260101T000000Z\r\n"
    "DTSTART:20260102T100000Z\r\nDTEND:20260102T110000Z\r\nSUMMARY:With Zoë\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
).encode()
CALENDARS = (
    b'<?xml version="1.0"?><C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop>'
    b'<D:getetag/></D:prop><C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>'
)
SOAP = (
    b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><h:hello xmlns:h="urn:hello">'
    b"<h:name>Zo\xc3\xab</h:name><h:times>2</h:times></h:hello></s:Body></s:Envelope>"
)
ME = (("Authorization", "Basic bWU6eA=="),)


def get(*paths: str) -> list[Ask]:
    """GET for each path."""
    return [Ask("GET", path) for path in paths]


def post(path: str, body: bytes, kind: str, *headers: tuple[str, str]) -> Ask:
    """POST of something."""
    return Ask("POST", path, body, (("Content-Type", kind), *headers))


def told(path: str, value: object, method: str = "POST") -> Ask:
    """A request with JSON."""
    return Ask(method, path, json.dumps(value).encode(), (("Content-Type", JSON),))


class Known(NamedTuple):
    """A difference that is understood."""

    #: The requests ("GET /path"), or what the table calls the client of its own, that have it.
    where: tuple[str, ...]
    what: str
    why: str


class App(NamedTuple):
    """An application: the file in tools/wsgi_apps, and what is to be known of it."""

    name: str
    packages: tuple[str, ...]
    #: What is asked of it with HTTP, in this order, with the cookies that it sets.
    asks: tuple[Ask, ...]
    #: What puts things into its folder of data.
    prepare: Callable[[Path], None] | None = None
    #: A client of its own, which tells what it got.
    client: Client | None = None
    #: How the table calls that.
    uses: str = "HTTP"
    #: The differences that there may be.
    known: tuple[Known, ...] = ()


APPS = (
    App("bottle_forms", ("bottle",), (
        *get("/", "/", "/file", "/stream", "/moved", "/none"), Ask("HEAD", "/file"), told("/json", {"a": [1]}),
        post("/form", UPLOAD, BOUNDARY), post("/form", b"text=Zo%C3%AB", FORM), Ask("PUT", "/"),
        Ask("POST", "/json", [b'{"a"', b": 1}"], (("Content-Type", JSON),)),
        Ask("GET", "/file", None, (("Range", "bytes=2-9"),)),
    ), known=(Known(
        ("POST /json",), "400, here 200",
        "a body in chunks has its CONTENT_LENGTH, without which Bottle takes it for none",
    ),)),
    App("cherrypy_tree", ("cherrypy",), (
        *get("/", "/count", "/count", "/moved", "/none", "/form?text=Zo%C3%AB"), post("/form", UPLOAD, BOUNDARY),
        Ask("HEAD", "/"),
    )),
    App("pyramid_site", ("pyramid",), (
        *get("/", "/count", "/count", "/file", "/moved", "/none"), Ask("HEAD", "/file"),
        post("/form", UPLOAD, BOUNDARY), Ask("GET", "/file", None, (("Range", "bytes=2-9"),)),
    )),
    App("falcon_media", ("falcon",), (
        *get("/things?a=1&a=2", "/stream", "/none"), told("/things", {"a": "Zoë"}), Ask("PUT", "/things", BIG),
        Ask("PUT", "/things", [b"one", b"two"]), Ask("OPTIONS", "/things"), post("/upload", UPLOAD, BOUNDARY),
    ), known=(Known(
        ("PUT /things",), "the length that it read", "a body in chunks has its CONTENT_LENGTH"
    ),)),
    App("dash_board", ("dash",), (
        *get("/", "/_dash-layout", "/_dash-dependencies", "/_favicon.ico"),
        told("/_dash-update-component", {
            "output": "said.children", "outputs": {"id": "said", "property": "children"},
            "inputs": [{"id": "text", "property": "value", "value": "x"}], "changedPropIds": ["text.value"],
        }),
    )),
    App("webpy_site", ("web.py",), (
        *get("/?name=me", "/moved", "/none"), post("/", UPLOAD, BOUNDARY), Ask("PUT", "/", b"x"),
    )),
    App("morepath_site", ("morepath",), (*get("/?name=me", "/none"), told("/", [1]), Ask("DELETE", "/"))),
    App("flask_sock_echo", ("flask", "flask-sock", "websocket-client"), (*get("/", "/echo"),), None,
        clients.websocket, "a WebSocket client"),
    App("socketio_threads", ("flask-socketio", "simple-websocket", "python-socketio[client]", "websocket-client"),
        (*get("/"),), None, clients.socketio, "Socket.IO's client"),
    App("wsgidav_share", ("wsgidav", "lxml"), (
        Ask("OPTIONS", "/"), Ask("MKCOL", "/folder"), Ask("PUT", "/folder/big.bin", BIG),
        Ask("PUT", "/folder/pieces", [b"one", b"two"]),
        Ask("GET", "/folder/big.bin", None, (("Range", "bytes=10-19"),)), Ask("HEAD", "/folder/big.bin"),
        Ask("PROPFIND", "/folder/", None, (("Depth", "1"),)), *get("/folder/pieces", "/folder/"),
        Ask("LOCK", "/folder/big.bin", DAV_LOCK, (("Content-Type", "application/xml"),)),
        Ask("PUT", "/folder/big.bin", b"x"), Ask("MOVE", "/folder/pieces", None, (("Destination", "/other"),)),
        Ask("DELETE", "/other"),
    ), known=(Known(
        ("MKCOL /folder", "PUT /folder/big.bin", "PUT /folder/pieces", "MOVE /folder/pieces", "DELETE /other"),
        "the time in its pages", "it is told to the microsecond",
    ),)),
    App("pypiserver_index", ("pypiserver",), (*get("/", "/simple/", "/simple/some-package/", "/none"),),
        clients.wheel, clients.pip, "pip download"),
    App("klaus_git", ("klaus",), (*get("/", "/one/", "/none"),), clients.git_repository, clients.git,
        "git clone, push", (
            Known(("git clone, push",), "HTTP 500 at the push, here it works",
                  "dulwich takes chunks apart itself, which gunicorn has done before"),
            Known(("GET /", "GET /one/"), "how long ago its commit was", "time goes on"),
        )),
    App("hgweb", ("mercurial",), (*get("/", "/one", "/one?cmd=capabilities", "/none"),), clients.hg_repository,
        clients.hg, "hg clone, push"),
    App("radicale_dates", ("radicale",), (
        Ask("MKCALENDAR", "/me/dates/", None, ME), Ask("PUT", "/me/dates/one.ics", EVENT, ME),
        Ask("GET", "/me/dates/one.ics", None, ME), Ask("OPTIONS", "/me/", None, ME),
        Ask("REPORT", "/me/dates/", CALENDARS, (*ME, ("Depth", "1"), ("Content-Type", "text/xml"))),
        Ask("PROPFIND", "/me/", None, (*ME, ("Depth", "1"))), Ask("GET", "/me/none", None, ME),
    ), clients.radicale_settings, None, "CalDAV"),
    App("kinto_store", ("kinto",), (
        *get("/v1/", "/v1/buckets"), told("/v1/buckets/one", {}, "PUT"),
        Ask("GET", "/v1/buckets", None, ME), Ask("PUT", "/v1/buckets/two", b"{}", (*ME, ("Content-Type", JSON))),
        Ask("GET", "/v1/__heartbeat__", None), *get("/v1/none", "/"),
    ), known=(Known(
        ("GET /v1/", "PUT /v1/buckets/one", "PUT /v1/buckets/two", "GET /v1/__heartbeat__", "GET /v1/buckets",
         "GET /v1/none", "GET /"),
        "Access-Control-Expose-Headers, Content-Security-Policy",
        "lists in another order, that of a set, which differs from process to process; a space at a value's end is "
        "sent as it is",
    ),)),
    App("paste_files", ("paste",), (
        *get("/page.html", "/closed", "/none"), Ask("HEAD", "/page.html"), post("/form?a=1", b"b=2&b=3", FORM),
    ), clients.page),
    App("roundup_tracker", ("roundup",), (*get("/", "/issue", "/user1", "/none", "/@@file/style.css"),
        post("/", b"@action=login&__login_name=admin&__login_password=secret", FORM)), clients.tracker),
    App("zope_site", ("zope",), (
        *get("/", "/manage_main", "/none"), Ask("GET", "/manage_workspace", None, ME),
        Ask("PUT", "/doc.txt", BIG, (("Authorization", "Basic YWRtaW46YWRtaW4="),)),
        Ask("GET", "/doc.txt", None), Ask("PROPFIND", "/", None, (("Depth", "0"),)), Ask("HEAD", "/"),
    ), clients.zope_instance, known=(Known(
        ("GET /none", "PUT /doc.txt", "GET /doc.txt"), "the page of the 500",
        "Zope raises what it does not find, and the page of the error is the server's",
    ),)),
    App("whitenoise_files", ("flask", "whitenoise"), (
        *get("/", "/static/page.html", "/static/none"), Ask("HEAD", "/static/page.html"),
        Ask("GET", "/static/page.html", None, (("Range", "bytes=2-9"),)),
    ), clients.page),
    App("wagtail_cms", ("wagtail", "whitenoise"), (
        *get("/", "/admin/login/", "/admin/", "/none", "/static/css/welcome_page.css", "/static/none"),
        Ask("HEAD", "/static/css/welcome_page.css"),
        Ask("GET", "/static/css/welcome_page.css", None, (("Range", "bytes=2-9"),)),
    ), wagtail.site, wagtail.edits, "an editor's steps"),
    App("prometheus_metrics", ("prometheus-client",), (*get("/metrics", "/favicon.ico"),
        Ask("GET", "/", None, (("Accept-Encoding", "gzip"),))),
        known=(Known(("GET /",), "chunked, here with Content-Length", "a list is sent with its length"),)),
    App("sentry_middleware", ("sentry-sdk",), (*get("/", "/fails", "/"), Ask("HEAD", "/")),
        known=(Known(("GET /fails",), "the page of the 500", "the page of the error is the server's"),)),
    App("opentelemetry_middleware", ("flask", "opentelemetry-instrumentation-wsgi"), (*get("/", "/none"),)),
    App("httpbin_site", ("httpbin",), (
        *get("/get?a=1", "/status/418", "/stream/2", "/bytes/5?seed=1", "/redirect/1", "/headers", "/cookies/set?a=1",
             "/gzip", "/chunked", "/range/26", "/drip?numbytes=2&duration=0"),
        post("/post", UPLOAD, BOUNDARY), told("/anything/a%2Fb%20c", [1]), Ask("DELETE", "/delete"),
        Ask("PUT", "/put", [b"one", b"two"]), Ask("PATCH", "/patch", b"x"), Ask("HEAD", "/get"),
        Ask("GET", "/basic-auth/me/x", None, ME),
    ), known=(
        Known(("POST /anything/a%2Fb%20c",), "200, here 404", "an encoded slash is a 404 unless AllowEncodedSlashes"
              " says On"),
        Known(("GET /gzip",), "the compressed bytes", "compression notes its time"),
        Known(("PUT /put",), "the headers that it repeats", "a body in chunks has its CONTENT_LENGTH"),
    )),
    App("restx_api", ("flask-restx",), (*get("/", "/swagger.json", "/things", "/none"), told("/things", {"a": 1})),
        known=(Known(("GET /swagger.json",), "methods in another order",
                     "the order of a set, which differs from process to process"),)),
    App("flask_admin_site", ("flask-admin",), (*get("/admin/", "/none"),)),
    App("spyne_soap", ("spyne", "lxml"), (*get("/?wsdl"), post("/", SOAP, "text/xml; charset=utf-8")),
        known=(Known(("GET /", "POST /"), "does not start, here 500", "Spyne does not load in this Python"),)),
    App("numpy_sums", ("numpy", "pandas"), (told("/", [1, 2, 4]), *get("/"))),
    App("lxml_pages", ("lxml",), (post("/", b"<x>" + b"<y/>" * 50000 + b"</x>", "text/xml"), *get("/"))),
    App("pillow_pictures", ("pillow",), (*get("/"), Ask("HEAD", "/"))),
    App("pydantic_orjson", ("pydantic", "orjson"), (told("/", {"name": "Zoë", "number": 2}), told("/", {}), *get("/"))),
    App("cryptography_box", ("cryptography",), (Ask("POST", "/", BIG), *get("/"))),
    App("sqlalchemy_rows", ("sqlalchemy",), (Ask("POST", "/", b"one"), Ask("POST", "/", b"two"), *get("/"))),
    App("psycopg_names", ("psycopg[binary]",), (*get("/"),)),
    App("gevent_pool", ("gevent",), (*get("/", "/"),)),
    App("matplotlib_plots", ("matplotlib",), (*get("/"), Ask("HEAD", "/"))),
    App("sklearn_model", ("scikit-learn",), (told("/", [[4], [5]]), *get("/"))),
    App("py4web_site", ("py4web",), (
        *get("/one/index", "/one/none", "/one/static/page.html", "/one/count", "/one/count"),
        post("/one/form", UPLOAD, BOUNDARY),
    ), clients.py4web_apps),
    App("server_sent_events", (), (*get("/"),)),
    App("forks_in_handler", (), (*get("/", "/"),)),
)  # fmt: skip
