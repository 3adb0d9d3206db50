"""The content handler: a request is passed on to another server, and its answer to the client."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.errors import ClientGone, RequestError
from mpserver.modules import core
from mpserver.modules.hooks import PROXY_PREFIX, TRACE_HANDLER
from mpserver.modules.proxy import MAX_FORWARDS, SOURCE_ADDRESS, TIMEOUT, WORKERS, Parameter, questions
from mpserver.modules.proxy.backends import Backends, Refused, Upstream
from mpserver.modules.proxy.exchange import Cut, HttpExchange, Stale
from mpserver.modules.proxy.mapping import url_for
from mpserver.modules.proxy.targets import Target, parse
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

OK, DECLINED = constants.OK, constants.DECLINED

#: May be asked a second time where nobody knows whether the first was heard (RFC 9110 9.2.2).
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


class Proxy:
    """What an interpreter passes on, for all its requests."""

    def __init__(self) -> None:
        self.backends = Backends()

    def handle(self, req: Request) -> int:
        """Pass a request on. :returns: OK, DECLINED for one that is not for another server, or the status."""
        name = req.mp_handler or ""
        if name.startswith(PROXY_PREFIX) and not req.mp_proxyreq:
            # SetHandler proxy:URL, for the request's file
            req.mp_proxyreq = constants.PROXYREQ_REVERSE
            path = questions.file_path(req)
            req.mp_filename = name + path
        filename = req.mp_filename
        if not req.mp_proxyreq or filename is None or not filename.startswith(PROXY_PREFIX):
            return DECLINED
        try:
            if (status := _limits(req)) != OK:
                return status
            return self._pass_on(req, url_for(req))
        except RequestError as error:
            _log(req, error.reason)
            return error.status
        except Refused as error:
            _log(req, error.reason)
            return error.status
        except Cut as error:
            _log(req, str(error))
            raise ClientGone("a response was cut: the server behind did not end it") from error

    def _pass_on(self, req: Request, url: str) -> int:
        target = parse(url)
        if target is None:
            raise Refused(constants.HTTP_FORBIDDEN, f"No protocol handler was valid for the URL {url}")
        return self.ask(req, url, target, parameters_of(req, url))

    def ask(self, req: Request, url: str, target: Target, parameters: Mapping[str, Parameter]) -> int:
        """Ask one server. :raises Refused: it can't be asked, or does not answer."""
        key = f"{target.socket}|{target.base}"
        if self.backends.fails(key):
            raise Refused(503, f"HTTP: disabled connection for ({target.name}): it could not be reached before (retry)")
        conf = req.mp_host.server.conf
        timeout = float(parameters.get("timeout", conf[TIMEOUT] or req.mp_server_object.timeout))
        length = questions.body_length(req)
        first = questions.head(req, target, length, "", questions.forwarded_fields(req))
        fresh = bool(parameters.get("disablereuse")) or parameters.get("enablereuse") is False
        reuses, again = not fresh, False
        while True:
            try:
                upstream = self.backends.connect(
                    key, target, parameters, timeout, conf[SOURCE_ADDRESS], None, fresh=fresh or again
                )  # fmt: skip
            except Refused as error:
                if error.status == 503:
                    self.backends.failed(key, parameters)
                raise
            self.backends.recovered(key)
            exchange = HttpExchange(
                req, upstream, timeout, length, flushes=parameters.get("flushpackets") == "on", reads=not again
            )  # fmt: skip
            exchange.name = target.name
            if "responsefieldsize" in parameters:
                exchange.longest = int(parameters["responsefieldsize"])
            try:
                return _run(exchange, upstream, first, reuses)
            except Stale as stale:
                if stale.sent is None or req.mp_method not in IDEMPOTENT:
                    raise Refused(502, f"error reading from remote server {target.name}: it is gone") from None
                first, again = stale.sent, True


def _run(exchange: HttpExchange, upstream: Upstream, first: bytes, reuses: bool) -> int:
    """One exchange, and what becomes of its connection."""
    try:
        status = exchange.run(first)
    except BaseException:
        upstream.close()
        raise
    if reuses and exchange.is_kept:
        upstream.keep()
    else:
        upstream.close()
    return status


def _limits(req: Request) -> int:
    """What is not passed on: TRACE where it is off, and what has been passed on often enough (Max-Forwards)."""
    conf = req.mp_host.server.conf
    if req.mp_method == "TRACE" and conf[core.TRACE_ENABLE] == "off":
        return constants.HTTP_METHOD_NOT_ALLOWED
    told = req.headers_in.get("Max-Forwards")
    if told is not None and str(told).isdecimal() and len(str(told)) < 10:
        left = int(told)
        if not left:
            return req.mp_plan.named(TRACE_HANDLER)(req) if req.mp_method == "TRACE" else constants.HTTP_BAD_GATEWAY
        req.headers_in["Max-Forwards"] = str(left - 1)
    elif conf[MAX_FORWARDS] >= 0:
        req.headers_in["Max-Forwards"] = str(conf[MAX_FORWARDS])
    return OK


def parameters_of(req: Request, url: str) -> Mapping[str, Parameter]:
    """What is said of the server of a URL: by the longest beginning of it that something is said of."""
    workers = req.mp_host.server.conf[WORKERS]
    found = [key for key in workers if url.startswith(key)]
    return workers[max(found, key=len)] if found else {}


def _log(req: Request, text: str) -> None:
    req.mp_log.log(ERROR, text, module="proxy", client=req.connection.client_addr)
