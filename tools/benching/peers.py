"""The peers: found, configured and started by the bench itself, or met at ports where they run already.

Programs are looked for on PATH and beside this Python (granian and gunicorn come with the extra
``bench``), then in another root, a folder with an installation of Debian for one, if one is named.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benching.cases import APACHE, GRANIAN, GUNICORN, HTTPD, MOD_WSGI, NGINX, TLS, UWSGI, scheme
from benching.ground import PEERS, Ground, is_root
from benching.machine import Family, NotServing, answers, free_port, pinned, started
from benching.servers import Server

#: Where programs are in another root.
FOLDERS = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
#: Where Apache keeps its modules: Debian's, Fedora's, its own.
MODULES = ("usr/lib/apache2/modules", "usr/lib64/httpd/modules", "usr/local/apache2/modules")
#: What Apache loads more for its forms, which are files of tools/bench_site/modules; it includes that file then.
FORMS = {
    "none": (), TLS: ("ssl",), "headers": ("headers",), "deflate": ("filter", "deflate"),
    **dict.fromkeys(("rewrite-1", "rewrite-10", "rewrite-100"), ("rewrite",)),
    "proxy": ("proxy", "proxy_http"), "autoindex": ("autoindex",),
    "auth": ("auth_basic", "authn_core", "authn_file", "authz_user"),
}  # fmt: skip
#: Whom servers become that root starts, the first that there is.
USERS = ("www-data", "nginx", "apache", "nobody")


class Place(NamedTuple):
    """Where a peer is to run: its program, its folder as we and as it see it, its port; the form of it."""

    ground: Ground
    program: str
    run: Path
    inside: str
    port: int
    form: str

    @property
    def handlers(self) -> str:
        """The folder of the applications."""
        return f"{self.ground.inside}/site/handlers"

    @property
    def lib(self) -> str:
        """The folder of the packages that they need."""
        return f"{self.ground.inside}/lib"

    @property
    def application(self) -> str:
        """The module of the WSGI application."""
        return "wsgi_flask" if self.form == "flask" else "wsgi_hello"

    def user(self) -> tuple[str, str]:
        """Whom to become, and that one's group."""
        root = self.ground.root or Path("/")
        groups = {line.split(":")[2]: line.split(":")[0] for line in (root / "etc/group").read_text().splitlines()}
        known = {line.split(":")[0]: line.split(":")[3] for line in (root / "etc/passwd").read_text().splitlines()}
        name = next(name for name in USERS if name in known)
        return name, groups[known[name]]


class Command(NamedTuple):
    """How to start a peer."""

    words: Sequence[str]
    environment: Mapping[str, str] = {}


def _apache(place: Place, module: str, conf: str) -> Command | None:
    root = place.ground.root or Path("/")
    modules = next((folder for folder in MODULES if (root / folder / module).exists()), None)
    if modules is None:
        return None
    state = place.run / "state"
    state.mkdir()
    state.chmod(0o777)
    user, group = place.user()
    define = {
        "MODULES": f"/{modules}", "RUN": place.inside, "SITE": f"{place.ground.inside}/site", "LIB": place.lib,
        "STATE": f"{place.inside}/state", "PORT": str(place.port), "USER": user, "GROUP": group,
    }  # fmt: skip
    lines = [f'Define {name} "{value}"' for name, value in define.items()]
    text = "\n".join(lines) + "\n" + (PEERS / "apache.conf").read_text() + (PEERS / conf).read_text()
    for name in FORMS.get(place.form, ()):
        text += f'LoadModule {name}_module "${{MODULES}}/mod_{name}.so"\n'
    if place.form in FORMS:
        text += f'Include "${{SITE}}/modules/{place.form}.conf"\n'
    (place.run / "httpd.conf").write_text(text)
    flags = [*(["-DROOT"] if is_root() else []), *(["-DLOG"] if place.form == "log" else [])]
    return Command([place.program, "-DFOREGROUND", *flags, "-f", f"{place.inside}/httpd.conf"])


def _httpd(place: Place) -> Command | None:
    return _apache(place, "mod_alias.so", "modules.conf")


def _mod_python(place: Place) -> Command | None:
    return _apache(place, "mod_python.so", "mod_python.conf")


def mod_python_manual(place: Place) -> Command | None:
    """Apache with the published mod_python and CGI, for `benching.manual`."""
    return _apache(place, "mod_python.so", "manual.conf")


def _mod_wsgi(place: Place) -> Command | None:
    return _apache(place, "mod_wsgi.so", "mod_wsgi.conf")


#: What nginx's configuration has more for its forms: at its listener, beside its server, in it.
NGINX_FORMS = {
    TLS: (
        "ssl", "",
        'ssl_certificate "@SITE@/modules/cert.pem"; ssl_certificate_key "@SITE@/modules/key.pem";',
    ),
    "proxy": (
        "", 'include "@SITE@/modules/origin.nginx";',
        """location /origin/ {
            proxy_pass http://origin/; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_request_buffering off; proxy_max_temp_file_size 0; client_max_body_size 0;
        }""",
    ),
}  # fmt: skip


def _nginx(place: Place) -> Command | None:
    text = (PEERS / "nginx.conf").read_text()
    values = {
        "RUN": place.inside, "SITE": f"{place.ground.inside}/site", "PORT": str(place.port),
        "USER_LINE": "user {} {};".format(*place.user()) if is_root() else "",
        "ACCESS_LOG": f'"{place.inside}/access.log"' if place.form == "log" else "off",
    }  # fmt: skip
    more = dict(zip(("LISTEN", "MORE", "LOCATIONS"), NGINX_FORMS.get(place.form, ("", "", "")), strict=True))
    for name, value in {**more, **values}.items():
        text = text.replace(f"@{name}@", value)
    (place.run / "nginx.conf").write_text(text)
    return Command([place.program, "-p", place.inside, "-c", f"{place.inside}/nginx.conf"])


@contextlib.contextmanager
def before(server: Server, core: int, ground: Ground, program: str) -> Iterator[Server]:
    """A server as its clients see it while nginx is before it: what is measured of it is its own."""
    port = free_port()
    run, inside = ground.run_folder(f"front-{port}")
    place = Place(ground, program, run, inside, port, "")
    values = {
        "RUN": inside, "PORT": str(port), "BEHIND": str(server.port),
        "USER_LINE": "user {} {};".format(*place.user()) if is_root() else "",
    }  # fmt: skip
    text = (PEERS / "kept.conf").read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    (run / "nginx.conf").write_text(text)
    words = [*pinned([core]), *ground.words(), program, "-p", inside, "-c", f"{inside}/nginx.conf"]
    with started(words, port, run / "console.log"):
        yield server._replace(port=port)


def _uwsgi(place: Place) -> Command | None:
    plugin = ["--plugin", "python3"] if place.program.endswith("-core") else []
    quiet = [] if place.form == "log" else ["--disable-logging"]
    return Command(
        [
            place.program, *plugin, "--http11-socket", f"127.0.0.1:{place.port}", "--master", "--processes", "1",
            "--die-on-term", "--need-app", "--pythonpath", place.handlers, "--pythonpath", place.lib,
            "--module", place.application, *quiet,
        ]
    )  # fmt: skip


def _certificate(place: Place, certificate: str, key: str) -> list[str]:
    """The words that let a peer speak TLS, if this is that form."""
    folder = f"{place.ground.inside}/site/modules"
    return [certificate, f"{folder}/cert.pem", key, f"{folder}/key.pem"] if place.form == TLS else []


def _gunicorn(place: Place) -> Command | None:
    log = ["--access-logfile", f"{place.inside}/access.log"] if place.form == "log" else []
    return Command(
        [
            place.program, "--bind", f"127.0.0.1:{place.port}", "--workers", "1", "--worker-class", "gthread",
            "--threads", "4", "--keep-alive", "60", "--chdir", place.handlers, *log,
            *_certificate(place, "--certfile", "--keyfile"), place.application,
        ],
        {"PYTHONPATH": place.lib},
    )  # fmt: skip


def _granian(place: Place) -> Command | None:
    log = ["--access-log"] if place.form == "log" else ["--no-access-log"]
    return Command(
        [
            place.program, "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(place.port), "--workers", "1",
            "--blocking-threads", "1", *log, "--working-dir", place.handlers,
            *_certificate(place, "--ssl-certificate", "--ssl-keyfile"), f"{place.application}:application",
        ],
        {"PYTHONPATH": place.lib},
    )  # fmt: skip


#: Each peer: the names of its program, and what configures it; None from that if it lacks a part.
STARTERS: dict[str, tuple[tuple[str, ...], Callable[[Place], Command | None]]] = {
    HTTPD: (("apache2", "httpd"), _httpd),
    APACHE: (("apache2", "httpd"), _mod_python),
    MOD_WSGI: (("apache2", "httpd"), _mod_wsgi),
    NGINX: (("nginx",), _nginx),
    UWSGI: (("uwsgi-core", "uwsgi"), _uwsgi),
    GUNICORN: (("gunicorn",), _gunicorn),
    GRANIAN: (("granian",), _granian),
}


def find_program(names: Sequence[str], ground: Ground, folders: Sequence[str]) -> str | None:
    """A program's path as its ground sees it."""
    if ground.root is None:
        path = f"{Path(sys.executable).parent}:" + ":".join(f"/{folder}" for folder in FOLDERS)
        return next((found for name in names if (found := shutil.which(name) or shutil.which(name, path=path))), None)
    for name in names:
        for folder in (*(folder.strip("/") for folder in folders), *FOLDERS):
            if (ground.root / folder / name).exists():
                return f"/{folder}/{name}"
    return None


class Peers:
    """All that there are; each is started when it is first asked for."""

    def __init__(
        self, grounds: Sequence[Ground], folders: Sequence[str], ports: Mapping[str, int], cores: Sequence[int]
    ) -> None:  # fmt: skip
        """Start nothing yet.

        :param grounds: where programs are looked for
        :param folders: more folders for programs in another root
        :param ports: where peers run that can't be started
        """
        self.grounds, self.folders, self.ports, self.cores = grounds, folders, ports, cores
        self.running: dict[tuple[str, str], Server | None] = {}
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> Peers:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def get(self, name: str, form: str) -> Server | None:
        """A peer in one of its forms; None if it isn't here."""
        if (name, form) not in self.running:
            self.running[name, form] = self._find(name, form)
        return self.running[name, form]

    def _find(self, name: str, form: str) -> Server | None:
        programs, configure = STARTERS[name]
        for ground in self.grounds:
            program = find_program(programs, ground, self.folders)
            if program is None:
                continue
            port = free_port()
            run, inside = ground.run_folder(f"{name.replace(' ', '-')}-{port}")
            command = configure(Place(ground, program, run, inside, port, form))
            if command is not None:
                try:
                    server = self.stack.enter_context(self._started(name, command, ground, run, port))
                    return server._replace(scheme=scheme(form))
                except NotServing as error:
                    print(f"{name} is left out: {error}", file=sys.stderr)
                    return None
        port = self.ports.get(name, 0)
        if port and not form and answers(port):
            folder, _inside = self.grounds[0].run_folder(f"{name.replace(' ', '-')}-{port}")
            return Server(name, port, Family.listening(port), folder, given=True)
        return None

    @contextlib.contextmanager
    def _started(self, name: str, command: Command, ground: Ground, run: Path, port: int) -> Iterator[Server]:
        words = [*pinned(self.cores), *ground.words(), *command.words]
        with started(words, port, run / "console.log", command.environment) as family:
            yield Server(name, port, family, run)
