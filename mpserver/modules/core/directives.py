"""The directives of httpd's core."""

from __future__ import annotations

import os

from mpserver.config import hosts, htaccess_directives
from mpserver.config.expression import Expression
from mpserver.config.override import Override
from mpserver.config.registry import (
    EVERYWHERE,
    IN_DIRECTORY,
    NOT_HTACCESS,
    SERVER_ONLY,
    SERVER_VHOST,
    Args,
    Call,
    Directive,
)
from mpserver.errors import ConfigError
from mpserver.modules import paths, values
from mpserver.modules.core import (
    ACCEPT_PATH_INFO,
    ADD_DEFAULT_CHARSET,
    CGI_PASS_AUTH,
    DOCUMENT_ROOT,
    ERROR_DOCUMENT,
    FORCE_TYPE,
    HOSTNAME_LOOKUPS,
    KEEP_ALIVE,
    KEEP_ALIVE_TIMEOUT,
    LIMIT_REQUEST_BODY,
    LIMIT_REQUEST_FIELD_SIZE,
    LIMIT_REQUEST_FIELDS,
    LIMIT_REQUEST_LINE,
    LISTEN,
    LOG_LEVEL,
    MAX_KEEP_ALIVE_REQUESTS,
    MUTEX,
    PID_FILE,
    SERVER_ADMIN,
    SERVER_PATH,
    SERVER_ROOT,
    SERVER_TOKENS,
    SET_HANDLER,
    SET_INPUT_FILTER,
    SET_OUTPUT_FILTER,
    TIMEOUT,
    USE_CANONICAL_NAME,
    Listen,
    LogLevels,
    Mutex,
    body_directives,
    limit_directives,
    log_directives,
    options_directive,
    server_directives,
)
from mpserver.modules.core.listen import listen_at_file, parse_listen
from mpserver.modules.hooks import PROXY_PREFIX
from mpserver.modules.mpm.directives import CORE_DIRECTIVES

#: The keywords of LogLevel, in the order of their numbers.
LEVELS = (
    "emerg",
    "alert",
    "crit",
    "error",
    "warn",
    "notice",
    "info",
    "debug",
    *(f"trace{n}" for n in range(1, 9)),
)


#: The statuses that ErrorDocument knows, as httpd 2.4.
STATUSES = frozenset(
    (
        *(*range(100, 104), *range(200, 209), 226, *range(300, 306), 307, 308),
        *(*range(400, 418), *range(421, 427), 428, 429, 431, 451, *range(500, 509), 510, 511),
    )
)


def _server_root(call: Call) -> None:
    root = values.path(call, call.args[0])
    call.server[SERVER_ROOT] = root


def _document_root(call: Call) -> None:
    root = values.path(call, call.args[0])

    def test() -> str | None:
        if os.path.isdir(root) and os.access(root, os.R_OK | os.X_OK):
            return None
        return f"DocumentRoot '{root}' is not a directory, or is not readable"

    values.later(call, test)
    call.server[DOCUMENT_ROOT] = root


def _listen(call: Call) -> None:
    words = call.args
    if words and words[0].startswith("unix:"):
        listen = listen_at_file(call.root, *words)
    elif len(words) in (1, 2):
        listen = parse_listen(*words)
    else:
        raise ConfigError("Listen requires 1 or 2 arguments.")
    call.server[LISTEN] = (*call.server[LISTEN], listen)


def _listen_fd_name(call: Call) -> None:
    call.server[LISTEN] = (*call.server[LISTEN], Listen(None, 0, "http", name=call.args[0]))


def _log_level(call: Call) -> None:
    own = call.conf.values.get(LOG_LEVEL, LogLevels(None, {}))
    for word in call.args:
        module, colon, keyword = word.rpartition(":")
        if keyword.lower() not in LEVELS:
            known = "/".join(LEVELS[:8]) + "/trace1/.../trace8"
            raise ConfigError(f"{word + ': ' if colon else ''}Log level keyword must be one of {known}")
        level = LEVELS.index(keyword.lower())
        if not colon:
            own = LogLevels(level, {})  # it resets what was said of modules before
        else:
            own = LogLevels(own.level, {**own.modules, _module(call, module): level})
    call.conf[LOG_LEVEL] = own
    if call.section is None:
        call.server[LOG_LEVEL] = own


def _module(call: Call, name: str) -> str:
    """A module's short name, as the log shows it: ``alias`` for mod_alias.c and alias_module, too.

    :raises ConfigError: there is no such module.
    """
    for module in call.registry.modules:
        short = module.name.removesuffix("_module")
        if name in (short, module.name, module.source, module.source.removesuffix(".c")):
            return short
    raise ConfigError(f"Cannot find module {name}: mpserver -l lists the modules")


def _error_document(call: Call) -> None:
    code, target = call.args
    if not code.isascii() or not code.isdigit() or len(code) > 3 or int(code) not in STATUSES:
        raise ConfigError(f"Unsupported HTTP response code {code}")
    status = int(code)
    if target.lower() == "default":
        target = ""
    elif "://" in target.partition(" ")[0]:
        if status == 401:
            call.warn("cannot use a full URL in a 401 ErrorDocument directive --- ignoring!")
            return
    elif not target.startswith(("/", '"')):
        target = '"' + target
    document: str | Expression = target
    if "%" in target or "$" in target or "\\" in target:
        expression = values.expression(call, target)
        document = expression if expression.constant is None else expression.constant
    call.conf[ERROR_DOCUMENT] = {**call.conf.values.get(ERROR_DOCUMENT, {}), status: document}


def _default_type(call: Call) -> None:
    if call.args[0].lower() != "none":
        call.warn("Ignoring deprecated use of DefaultType: only None is left of it, use ForceType or AddType")


_MECHANISMS = ("default", "flock", "fcntl", "file", "pthread", "sysvsem", "posixsem", "sem")


def _mutex(call: Call) -> None:
    mechanism, colon, place = call.args[0].partition(":")
    mechanism = mechanism.lower()
    names = [word.lower() for word in call.args[1:] if word.lower() != "omitpid"] or ["default"]
    if mechanism == "none":
        raise ConfigError(f"None is not allowed for mutex type {names[0]}")
    with_file = mechanism in ("flock", "fcntl", "file")
    if mechanism not in _MECHANISMS or (colon and not (with_file and place)):
        raise ConfigError(
            f"Invalid Mutex argument {call.args[0]} (Mutex mechanisms are: 'default', 'flock:/path/to/file', "
            "'fcntl:/path/to/file', 'file:/path/to/file', 'pthread', 'sysvsem', 'posixsem', 'sem')"
        )
    directory = paths.absolute(call.root, place) if place else None
    if directory is not None:
        said = f"Invalid Mutex directory in argument {call.args[0]}: it must be an existing directory"
        values.later(call, lambda: None if os.path.isdir(directory) else said)
    values.set_in(call.server, MUTEX, dict.fromkeys(names, Mutex(mechanism, directory)))


def _default_charset(_call: Call, word: str) -> str | None:
    """On is httpd's default, Latin-1; Off is none."""
    return {"off": None, "on": "iso-8859-1"}.get(word.lower(), word)


def _lower(call: Call, word: str) -> str:
    return values.filled(call, word).lower()


def _handler(call: Call, word: str) -> str:
    """The name of a handler; what follows the colon of ``proxy:`` is a URL, or the path of a socket."""
    lower = _lower(call, word)
    return PROXY_PREFIX + word[len(PROXY_PREFIX) :] if lower.startswith(PROXY_PREFIX) else lower


_TOKENS = {
    "full": "full",
    "os": "os",
    "min": "minimal",
    "minimal": "minimal",
    "minor": "minor",
    "major": "major",
    "prod": "prod",
    "productonly": "prod",
}


_PATH_INFO: dict[str, bool | None] = {"on": True, "off": False, "default": None}


_size = values.number(0, 2**31 - 1)


_FIELDS = values.number(0, 32767, " (0 = no limit)")


DIRECTIVES: tuple[Directive, ...] = (
    *hosts.DIRECTIVES,
    *htaccess_directives.DIRECTIVES,
    *CORE_DIRECTIVES,
    *body_directives.DIRECTIVES,
    *limit_directives.DIRECTIVES,
    *log_directives.DIRECTIVES,
    *options_directive.DIRECTIVES,
    *server_directives.DIRECTIVES,
    Directive(
        "ServerRoot",
        Args.TAKE1,
        SERVER_VHOST,
        _server_root,
        help="the directory of configuration and logs",
    ),
    Directive(
        "ServerAdmin",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(SERVER_ADMIN, values.filled),
        help="the mail address of who runs the server",
    ),
    Directive(
        "ServerPath",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(SERVER_PATH, values.filled),
        help="a path under which the host can be reached",
    ),
    Directive(
        "ServerTokens",
        Args.TAKE1,
        SERVER_ONLY,
        values.server(SERVER_TOKENS, values.choice(_TOKENS)),
        help="how much the Server header tells: Prod, Major, Minor, Min, OS or Full",
    ),
    Directive(
        "UseCanonicalName",
        Args.TAKE1,
        NOT_HTACCESS,
        values.directory(USE_CANONICAL_NAME, values.one_of("on", "off", "dns")),
        help="On, Off or DNS: which name the server calls itself in URLs",
    ),
    Directive(
        "HostnameLookups",
        Args.TAKE1,
        NOT_HTACCESS,
        values.directory(HOSTNAME_LOOKUPS, values.one_of("on", "off", "double")),
        help="On, Off or Double: whether clients' names are looked up for logs and CGI variables",
    ),
    Directive(
        "Listen",
        Args.ANY,
        SERVER_ONLY,
        _listen,
        help="[address:]port [protocol]; or unix:PATH [mode=MODE] [owner=USER] [group=GROUP]",
    ),
    Directive(
        "ListenFdName",
        Args.TAKE1,
        SERVER_ONLY,
        _listen_fd_name,
        help="the name of sockets that systemd passes to the server (FileDescriptorName=)",
    ),
    Directive("DocumentRoot", Args.TAKE1, SERVER_VHOST, _document_root, help="the directory of the documents"),
    Directive(
        "Timeout",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(TIMEOUT, values.seconds),
        help="a time, in seconds",
    ),
    Directive("KeepAlive", Args.FLAG, SERVER_VHOST, values.server(KEEP_ALIVE, values.flag)),
    Directive(
        "KeepAliveTimeout",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(KEEP_ALIVE_TIMEOUT, values.seconds),
        help="a time, in seconds or with a unit",
    ),
    Directive(
        "MaxKeepAliveRequests",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(MAX_KEEP_ALIVE_REQUESTS, values.number(0, remark=" (0 = no limit)")),
        help="how many requests a connection may carry, 0 for any number",
    ),
    Directive(
        "LimitRequestLine",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(LIMIT_REQUEST_LINE, _size),
        help="the most bytes of a request line",
    ),
    Directive(
        "LimitRequestFields",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(LIMIT_REQUEST_FIELDS, _FIELDS),
        help="the most header fields of a request, 0 for any number",
    ),
    Directive(
        "LimitRequestFieldSize",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(LIMIT_REQUEST_FIELD_SIZE, _size),
        help="the most bytes of a header field",
    ),
    Directive(
        "LimitRequestBody",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(LIMIT_REQUEST_BODY, values.number(0, remark=" (bytes, 0 = no limit)")),
        Override.ALL,
        "the most bytes of a request's body, 0 for any number",
    ),
    Directive("LogLevel", Args.ITERATE, NOT_HTACCESS, _log_level, help="a level, or module:level"),
    Directive(
        "ErrorDocument",
        Args.TAKE2,
        EVERYWHERE,
        _error_document,
        Override.FILEINFO,
        "a status, and a path, URL or text",
    ),
    Directive("PidFile", Args.TAKE1, SERVER_ONLY, values.server(PID_FILE, values.filled), help="a file's name"),
    Directive("Mutex", Args.ITERATE, SERVER_ONLY, _mutex, help="a mechanism, and the mutexes it is for"),
    Directive("DefaultType", Args.TAKE1, EVERYWHERE, _default_type, Override.FILEINFO, "None"),
    Directive(
        "ForceType",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(FORCE_TYPE, values.optional(_lower)),
        Override.FILEINFO,
        "a media type, or None",
    ),
    Directive(
        "SetHandler",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(SET_HANDLER, values.optional(_handler)),
        Override.FILEINFO,
        "a handler's name, or None",
    ),
    *(
        Directive(
            setting.name,
            Args.TAKE1,
            EVERYWHERE,
            values.directory(setting, values.filters),
            Override.FILEINFO,
            "filters' names, separated by semicolons",
        )
        for setting in (SET_INPUT_FILTER, SET_OUTPUT_FILTER)
    ),
    Directive(
        "AddDefaultCharset",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(ADD_DEFAULT_CHARSET, _default_charset),
        Override.FILEINFO,
        "a charset, On or Off",
    ),
    Directive(
        "AcceptPathInfo",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(ACCEPT_PATH_INFO, values.choice(_PATH_INFO)),
        Override.FILEINFO,
        "On, Off or Default",
    ),
    Directive(
        "CGIPassAuth",
        Args.FLAG,
        IN_DIRECTORY,
        values.directory(CGI_PASS_AUTH, values.flag),
        Override.AUTHCONFIG,
    ),
)
