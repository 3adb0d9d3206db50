"""What is measured: one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from benching.ground import MEGABYTE, SITE
from benching.load import Load

BARE = "bare road"
APACHE = "Apache mod_python"
#: Apache with its own modules alone, for the cases of `benching.modules`.
HTTPD = "Apache"
MOD_WSGI = "Apache mod_wsgi"
GUNICORN = "gunicorn"
GRANIAN = "granian"
UWSGI = "uWSGI"
NGINX = "nginx"

#: Where peers are looked for that we can't start, unless told otherwise.
PORTS = {APACHE: 8101, MOD_WSGI: 8102, GUNICORN: 8103, GRANIAN: 8104, UWSGI: 8105, NGINX: 8106}


#: The file of tools/bench_site/modules with which a server speaks TLS, and the form of peers that do.
TLS = "tls"


def scheme(conf: str) -> str:
    """What URLs of a server with such a configuration, or a peer in such a form, begin with."""
    return "https" if conf == TLS else "http"


class Setup(NamedTuple):
    """A way to run mpserver: what its configuration has more, and what is beside the load."""

    title: str = ""
    #: Virtual hosts h0.test, h1.test ..., all in one interpreter or each in its own.
    hosts: int = 0
    own_interpreters: bool = False
    #: Idle keep-alive connections.
    idle: int = 0
    log: bool = False
    #: A module that each worker's interpreter imports at the start.
    imports: str = ""
    #: The file of tools/bench_site/modules that its configuration includes.
    conf: str = ""
    #: How many interpreters of its own are kept; 0: all.
    most: int = 0
    #: Sessions that there are before those of the load.
    sessions: int = 0
    #: nginx is before it, and keeps its connections.
    front: bool = False
    workers: int = 1
    both_cores: bool = False
    #: A load of its own in place of the case's.
    load: Load | None = None

    def server(self) -> Setup:
        """What is of the server in it: setups that are the same in this can share one."""
        return self._replace(title="", load=None)

    @property
    def scheme(self) -> str:
        """What URLs of its server begin with."""
        return scheme(self.conf)


class Case(NamedTuple):
    """One thing to measure.

    ``size``: the bytes of mpserver's answer, None where it differs. ``peers``: each peer's path;
    ``given``: its path where the bench did not start it. ``form``: which form of the peers.
    ``kinds``: the kinds of interpreter, None for those that were asked for. ``bare``: whether the
    bare road takes turns. ``quick``: whether ``--quick`` measures the peers, too.
    ``weigh``: whether what the setups have many of is weighed. ``status``: of the load's answers.
    ``fields``: the fields that these have, with their values.
    """

    name: str
    path: str
    size: int | None
    peers: Mapping[str, str] = {}
    load: Load = Load()
    setups: tuple[Setup, ...] = (Setup(),)
    form: str = ""
    kinds: tuple[str, ...] | None = None
    given: Mapping[str, str] = {}
    bare: bool = True
    quick: bool = True
    weigh: bool = False
    status: int = 200
    fields: Mapping[str, str] = {}


#: Sixteen sessions, made before the load begins.
COUNTER = Load(script=SITE / "lua" / "rotate.lua", arguments=("Cookie", "{cookies}"))
HOSTS = Load(script=SITE / "lua" / "rotate.lua", arguments=("Host", "{hosts}"))
#: As many clients as connections that nginx keeps.
CHANGING = HOSTS._replace(connections=64)
MANY_HOSTS = (Setup("1", hosts=1), Setup("100", hosts=100), Setup("10,000", hosts=10_000))
MANY_SESSIONS = (Setup("16"), Setup("1,000", sessions=1_000), Setup("100,000", sessions=100_000))
HEADERS = tuple(f"X-Header-{number}: value {number} of twenty" for number in range(20))
BUSY = Setup(hosts=2, own_interpreters=True, both_cores=True)
_WSGI = {MOD_WSGI: "/w", GUNICORN: "/w", GRANIAN: "/w", UWSGI: "/w"}
#: The form of peers that run Flask.
FLASK = "flask"
#: With the slash that Flask wants behind the place where it is mounted: without it a redirect is measured.
FLASK_PATH = "/flask/"
_FLASK = dict.fromkeys((APACHE, MOD_WSGI, GUNICORN, GRANIAN, UWSGI), FLASK_PATH)
_FILES = (APACHE, NGINX)


def _same(path: str, *peers: str) -> dict[str, str]:
    return dict.fromkeys(peers, path)


def _static(name: str, file: str, size: int, *headers: str) -> Case:
    return Case(name, f"/static/{file}", size, _same(f"/static/{file}", *_FILES), Load(headers=headers))


CASES = (
    Case("handler hello", "/whole", 12, {APACHE: "/whole", **_WSGI, NGINX: "/r"}, given={APACHE: "/h"}),
    Case("handler hello, flushed", "/h", 12, {APACHE: "/h"}, quick=False),
    Case("handler hello, autoreload off", "/noreload", 12, {APACHE: "/noreload"}, quick=False),
    Case(
        "handler hello, access log on", "/whole", 12, {APACHE: "/whole", **_WSGI, NGINX: "/r"},
        setups=(Setup(log=True), Setup("off")), form="log", quick=False,
    ),
    Case("handler, 20 headers read", "/headers", None, {APACHE: "/headers"}, Load(headers=HEADERS), quick=False),
    Case("form posted", "/form", None, {APACHE: "/form"}, Load(script=SITE / "lua" / "post.lua"), quick=False),
    Case("publisher hello", "/pub/say.py/say", 19, {APACHE: "/pub/say.py/say"}),
    Case("PSP page", "/psp/page.psp", None, {APACHE: "/psp/page.psp"}),
    Case("session counter, memory", "/memory", None, {}, COUNTER),
    Case("session counter, dbm", "/dbm", None, {APACHE: "/dbm"}, COUNTER),
    Case("session counter, file", "/s", None, {APACHE: "/s"}, COUNTER),
    Case("many sessions in files", "/s", None, load=COUNTER, setups=MANY_SESSIONS, bare=False, quick=False),
    Case("many sessions, dbm", "/dbm", None, load=COUNTER, setups=MANY_SESSIONS, bare=False, quick=False),
    Case("cgihandler", "/cgi/plain.py", 7, {APACHE: "/cgi/plain.py"}),
    Case("WSGI hello", "/w", 12, {APACHE: "/w", **_WSGI}),
    Case("WSGI with Flask", FLASK_PATH, 12, _FLASK, form=FLASK, quick=False),
    _static("static 13 B", "hello.txt", 13),
    _static("static 10 KB", "10k.bin", 10_000),
    _static("static 1 MB", "1m.bin", MEGABYTE),
    _static("static 304", "hello.txt", 13, "If-Modified-Since: {modified}")._replace(status=304),
    # Without Apache: processes of the published mod_python crash after such requests.
    Case("output filter", "/filter", 12, quick=False),
    Case("three .htaccess files", "/deep/a/b/page.txt", 12, {APACHE: "/deep/a/b/page.txt"}, quick=False),
    Case(
        "connection per request", "/whole", 12, {APACHE: "/whole", GRANIAN: "/w", NGINX: "/r"},
        Load(headers=("Connection: close",)), given={APACHE: "/h"}, bare=False,
    ),
    Case(
        "pipelined 16", "/whole", 12, {APACHE: "/whole", GRANIAN: "/w", NGINX: "/r"},
        Load(script=SITE / "lua" / "pipeline.lua"), given={APACHE: "/h"}, bare=False, quick=False,
    ),
    Case(
        "idle connections", "/whole", 12,
        setups=(Setup("0 idle"), Setup("1,000 idle", idle=1_000), Setup("10,000 idle", idle=10_000)),
        weigh=True,
    ),
    Case(
        "interpreters", "/whole", 12, load=Load(headers=("Host: h0.test",)),
        setups=(
            *(Setup(f"{count}", hosts=count, own_interpreters=True) for count in (1, 10, 100)),
            Setup("1,000, of which 100 are kept", hosts=1_000, own_interpreters=True, most=100),
        ),
        weigh=True,
    ),
    # A process of wrk for each connection, since each connection stays with its interpreter.
    Case(
        "interpreters in turns", "/whole", 12,
        setups=tuple(
            Setup(
                f"16 of {count}" if count > 1 else "1", hosts=count, own_interpreters=True,
                load=Load(each=tuple(f"Host: h{number * count // 16}.test" for number in range(16))),
            )
            for count in (1, 100)
        ),
        quick=False,
    ),
    # The clients of the first of each pair stay with their hosts.
    Case(
        "connections that change interpreters", "/whole", 12,
        setups=tuple(
            setup
            for count in (2, 50, 100)
            for setup in (
                Setup(
                    f"none of {count}", hosts=count, own_interpreters=True,
                    load=Load(each=tuple(f"Host: h{number % count}.test" for number in range(64))),
                ),
                Setup(f"{count}", hosts=count, own_interpreters=True, load=CHANGING),
            )
        ),
        bare=False, quick=False,
    ),
    Case(
        "behind nginx", "/whole", 12, load=CHANGING,
        setups=tuple(Setup(f"{count}", hosts=count, own_interpreters=True, front=True) for count in (1, 100)),
        bare=False, quick=False,
    ),
    Case("virtual hosts", "/whole", 12, load=Load(headers=("Host: h0.test",)), setups=MANY_HOSTS),
    Case("virtual hosts in turns", "/whole", 12, load=HOSTS, setups=MANY_HOSTS),
    Case("kinds of interpreter", "/whole", 12, kinds=("own", "process", "main")),
    Case(
        "busy interpreters", "/busy", None,
        setups=(
            BUSY._replace(title="1 on two cores", load=Load(each=("Host: h0.test",))),
            BUSY._replace(title="2 on two cores", load=Load(each=("Host: h0.test", "Host: h1.test"))),
        ),
        bare=False,
    ),
)  # fmt: skip
