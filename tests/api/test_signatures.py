"""Functions and methods can be called with the names that the manual has for their arguments (chapter 4)."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from mod_python import Cookie, Session, apache, psp, util
from mpserver.api.connection import Connection
from mpserver.api.filter_object import Filter
from mpserver.api.request import Request
from mpserver.api.server import Server
from mpserver.api.table import Table

#: Owner, and what the manual says: names in their order, those in brackets may be left out.
SIGNATURES: dict[str, tuple[Any, str]] = {
    "apache": (apache, """
        log_error(message[, level, server]) import_module(module_name[, autoreload, log, path]) allow_methods([*args])
        exists_config_define(name) stat(fname, wanted) register_cleanup(handler[, data]) config_tree() server_root()
        mpm_query(code)
    """),
    "table": (Table, "add(key, val)"),
    "request": (Request, """
        add_common_vars() add_handler(htype, handler[, dir]) allow_methods(methods[, reset]) document_root()
        get_basic_auth_pw() get_config() get_remote_host([type, str_is_ip]) get_options() internal_redirect(new_uri)
        is_https() log_error(message[, level]) meets_conditions() requires() read([len]) readline([len])
        readlines([sizehint]) register_cleanup(callable[, data]) sendfile(path[, offset, len])
        ssl_var_lookup(var_name) write(string[, flush]) flush() set_content_length(len)
    """),
    "connection": (Connection, "read([length]) readline([length]) write(string)"),
    "filter": (Filter, "pass_on() read([length]) readline([length]) write(string) flush() close() disable()"),
    "server": (Server, "get_config() get_options() register_cleanup(request, callable[, data])"),
    "util": (util, """
        FieldStorage(req[, keep_blank_values, strict_parsing, file_callback, field_callback])
        parse_qs(qs[, keep_blank_values, strict_parsing]) parse_qsl(qs[, keep_blank_values, strict_parsing])
        redirect(req, location[, permanent, text])
    """),
    "FieldStorage": (util.FieldStorage, "getfirst(name[, default]) getlist(name)"),
    "Cookie": (Cookie, """
        Cookie(name, value[, **attributes]) SignedCookie(name, value, secret[, **attributes])
        MarshalCookie(name, value, secret[, **attributes]) add_cookie(req, cookie[, value, **attributes])
        get_cookies(req[, Class, **data]) get_cookie(req, name[, Class, **data])
    """),
    "Cookie.Cookie": (Cookie.Cookie, "parse(string)"),
    "SignedCookie": (Cookie.SignedCookie, "parse(string, secret)"),
    "Session": (Session, """
        Session(req[, sid, secret, timeout, lock]) BaseSession(req[, sid, secret, timeout, lock])
        DbmSession(req[, dbm, sid, secret, dbmtype, timeout, lock]) MemorySession(req[, sid, secret, timeout, lock])
        FileSession(req[, sid, secret, timeout, lock, fast_cleanup, verify_cleanup])
    """),
    "BaseSession": (Session.BaseSession, """
        is_new() id() created() last_accessed() timeout() set_timeout(secs) invalidate() load() save() delete()
        init_lock() lock() unlock() cleanup()
    """),
    "psp": (psp, "PSP(req[, filename, string, vars]) parse(filename[, dir]) parsestring(string)"),
    "PSP": (psp.PSP, "run([vars]) display_code()"),
    "PSPInstance": (psp.PSPInstance, """
        set_error_page(filename) apply_data(object[, **kw]) redirect(location[, permanent])
    """),
}  # fmt: skip

#: Their secret has a default, so that a missing one is refused with a message of its own.
LENIENT = frozenset({"SignedCookie.secret", "MarshalCookie.secret", "parse.secret"})

#: How the manual writes what takes any number of arguments.
STARS: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}

CASES = [
    pytest.param(owner, *match.groups(), id=f"{place}.{match[1]}")
    for place, (owner, text) in SIGNATURES.items()
    for match in re.finditer(r"(\w+)\(([^)]*)\)", text)
]


@pytest.mark.parametrize(("owner", "name", "arguments"), CASES)
def test_arguments_have_the_manuals_names(owner: Any, name: str, arguments: str) -> None:
    """All of them, in its order; what there is beside them may be left out."""
    found = [one for one in inspect.signature(getattr(owner, name)).parameters.values() if one.name != "self"]
    needed, _, optional = arguments.partition("[")
    wanted = [part.strip() for part in needed.split(",") if part.strip()]
    spare = [part.strip() for part in optional.strip("]").split(",") if part.strip()]
    for place, argument in enumerate(wanted):
        one = found[place]
        assert (one.name, one.kind) == (argument, one.POSITIONAL_OR_KEYWORD)
        assert one.default is one.empty or f"{name}.{argument}" in LENIENT
    rest = [STARS.get(one.kind, "") + one.name for one in found[len(wanted) :]]
    named = [argument for argument in spare if "*" not in argument]
    assert rest[: len(named)] == named
    assert set(spare) <= set(rest)
    for one in found[len(wanted) :]:
        assert one.default is not one.empty or one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
