"""mod_md's part in requests: answers to challenges, 503 until there is a certificate, MDRequireHttps, facts."""

from __future__ import annotations

import os
from functools import partial

from mpserver.api import cgi_variables, constants
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.http1 import percent
from mpserver.modules import md
from mpserver.modules.hooks import Planning, Step, Translation, Translator
from mpserver.modules.known import Order
from mpserver.modules.md import Managed
from mpserver.modules.rewrite import of_server
from mpserver.modules.rewriting import Rewriter, Rewritten
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

OK, DECLINED = constants.OK, constants.DECLINED

#: (authorities get their answers whatever rules, aliases and handlers make of other paths)
ORDER = {
    "rewrite_request": Order.FIRST,
    "translate_path": Order.FIRST,
    "post_read_request": Order.FIRST,
    "header_parser": Order.FIRST,
    "fixups": Order.LAST,
}

#: What is never sent to https, for authorities ask there (RFC 8615).
WELL_KNOWN = "/.well-known/"
#: For how long clients keep to https (MDRequireHttps permanent): half a year.
HSTS, HALF_A_YEAR = "Strict-Transport-Security", "max-age=15768000"
#: (RFC 9110 15.4.9; mod_python has no name for it)
PERMANENT_REDIRECT = 308
#: The longest answer to a challenge: a token and a digest are far shorter.
LONGEST = 4096


def _managed(server: Server) -> Managed | None:
    """The domain of a host; what virtual hosts have of the main server is not theirs."""
    found = server.conf[md.MANAGED]
    return found if found is not None and found.server == server.number else None


def is_apart(server: Server) -> bool:
    """An authority may ask the first host of an address for answers, whatever that is called."""
    answers = server.conf[md.ANSWERS]
    return answers is not None and server.number in answers.defaults


def translate_path(server: Server) -> Translator | None:
    """Answers to challenges, and facts about the certificate."""
    managed, answers = _managed(server), server.conf[md.ANSWERS]
    folder = "" if answers is None else answers.folder
    if answers is None or not (managed or not server.is_virtual or server.number in answers.defaults):
        folder = ""
    shown = managed if managed is not None and managed.shows else None
    if not folder and shown is None:
        return None

    def translate(path: str, _conf: Conf, _server: Server) -> Translation | None:
        if path[:2] != "/.":
            return None
        if folder and path.startswith(md.CHALLENGE_PREFIX):
            return Translation(None, answer=partial(_answer, folder=folder))
        if shown is not None and path == md.STATUS_PATH:
            return Translation(None, answer=partial(_show, managed=shown))
        return None

    return translate


def rewrite_request(server: Server) -> Rewriter | None:
    """The same before rules, where the server has some: those that send all to https are what hosts begin with."""
    translate = translate_path(server)
    rules = of_server(server)
    if translate is None or not rules.engine or not rules.rules:
        return None

    def keep(req: Request) -> Rewritten | None:
        if req.mp_uri[:2] != "/." or translate(req.mp_uri, server.base, server) is None:
            return None
        return Rewritten(None, None, 0, _NoEffects())

    return keep


class _NoEffects:
    """See `mpserver.modules.rewriting.Effects`: nothing is changed."""

    __slots__ = ()

    def begin(self, req: Request) -> None:
        """Change it before its phases."""

    def force(self, req: Request) -> None:
        """Change it after its fixups."""


def _answer(req: Request, folder: str) -> int:
    """What an authority asks for, if it is asked for just now (RFC 8555 8.3)."""
    from mpserver.modules.md import store

    host = req.hostname or ""
    token = req.mp_uri[len(md.CHALLENGE_PREFIX) :]
    try:
        with open(store.answer_to(folder, host, token), "rb") as file:
            found = file.read(LONGEST)
    except OSError:
        text = f"no authority is expected to ask {host} for this answer"
        req.mp_log.log(constants.APLOG_INFO, text, module="md", about=req)
        return constants.HTTP_NOT_FOUND
    if req.mp_method not in ("GET", "HEAD"):
        return constants.HTTP_METHOD_NOT_ALLOWED
    req.mp_content_type = "application/octet-stream"
    req.mp_headers_out_table()["Content-Length"] = str(len(found))
    req.mp_write(found, 0)
    return constants.DONE


def _show(req: Request, managed: Managed) -> int:
    """The facts about a host's certificate, as JSON (MDCertificateStatus)."""
    from mpserver.modules.md import facts

    req.mp_content_type = "application/json"
    req.mp_headers_out_table()["Cache-Control"] = "no-store"
    req.mp_write(facts.of(managed.chain).encode(), 0)
    return constants.DONE


def post_read_request(planning: Planning) -> Step | None:
    """The same where handlers of applications are asked before the resource is known."""
    wait = header_parser(planning)
    answers = planning.server.conf[md.ANSWERS]
    if answers is None:
        return wait

    def answer(req: Request) -> int:
        if req.mp_uri.startswith(md.CHALLENGE_PREFIX):
            return _answer(req, answers.folder)
        return OK if wait is None else wait(req)

    return answer


def header_parser(planning: Planning) -> Step | None:
    """503 where the host's certificate is still to come: what it shows instead is nobody's (as mod_md)."""
    managed = _managed(planning.server)
    if managed is None or not managed.waits:
        return None
    chain = managed.chain
    came = False

    def wait(req: Request) -> int:
        nonlocal came
        if came or req.mp_link.tls is None:
            return OK
        came = os.path.exists(chain)
        if came:
            return OK
        text = f"the certificate of the domain {managed.name} has not come yet"
        req.mp_log.log(constants.APLOG_INFO, text, module="md", about=req)
        return constants.HTTP_SERVICE_UNAVAILABLE

    return wait


def fixups(planning: Planning) -> Step | None:
    """MDRequireHttps: plain requests go to https, and others are told to stay there."""
    managed = _managed(planning.server)
    if managed is None or managed.https == "off":
        return None
    permanent = managed.https == "permanent"
    statuses = (
        (constants.HTTP_MOVED_PERMANENTLY, PERMANENT_REDIRECT)
        if permanent
        else (constants.HTTP_MOVED_TEMPORARILY, constants.HTTP_TEMPORARY_REDIRECT)
    )

    def require(req: Request) -> int:
        if req.mp_main is not None or req.mp_uri.startswith(WELL_KNOWN):
            return DECLINED
        if req.mp_link.tls is not None:
            headers = req.mp_headers_out_table()
            if permanent and headers.get(HSTS) is None:
                headers[HSTS] = HALF_A_YEAR
            return OK
        target = f"https://{cgi_variables.server_name(req)}{percent.encode_path(req.mp_uri)}"
        if req.mp_args:
            target += f"?{req.mp_args}"
        req.mp_headers_out_table()["Location"] = percent.sendable(target)
        return statuses[req.mp_method not in ("GET", "HEAD")]

    return require
