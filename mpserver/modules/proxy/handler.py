"""The content handler: a request is passed on to another server, and its answer to the client."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from mpserver.api import constants, runtime
from mpserver.api.error_log import ERROR
from mpserver.api.tasks import MAY_BLOCK, content
from mpserver.errors import ClientGone, RequestError
from mpserver.modules import core
from mpserver.modules.core import errorpage
from mpserver.modules.hooks import PROXY_PREFIX, TRACE_HANDLER
from mpserver.modules.proxy import (
    MAX_FORWARDS,
    MEMBERS,
    SOURCE_ADDRESS,
    TIMEOUT,
    WORKERS,
    Member,
    Parameter,
    questions,
    roads,
    tunnel,
)
from mpserver.modules.proxy.backends import Backends, Refused, Upstream
from mpserver.modules.proxy.balancers import Balancer, Choice, route_of
from mpserver.modules.proxy.exchange import Cut, Exchange, HttpExchange, Stale
from mpserver.modules.proxy.mapping import url_for
from mpserver.modules.proxy.targets import Target, parse
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.plan import RequestPlan
    from mpserver.api.request import Request
    from mpserver.api.tasks import Task
    from mpserver.config.settings import Conf
    from mpserver.ipc.member_health import Health, MemberHealth
    from mpserver.modules.proxy.encryption import Encryption
    from mpserver.modules.proxy.roads import Road

OK, DECLINED = constants.OK, constants.DECLINED

#: May be asked a second time where nobody knows whether the first was heard (RFC 9110 9.2.2).
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
#: What Max-Forwards says (RFC 9110 7.6.2).
_NUMBER = re.compile(r"[0-9]{1,18}")

#: Schemes of servers that have to know a body's length before.
GATEWAYS = ("fcgi", "uwsgi")
#: What is remembered of so many plans: each may take 2 MiB.
ROADS = 32


class Proxy:
    """What an interpreter passes on, for all its requests."""

    def __init__(self) -> None:
        self.backends = Backends()
        self._balancers: dict[tuple[object, ...], Balancer] = {}
        self._encryptions: dict[tuple[object, ...], Encryption] = {}
        self._member_health: MemberHealth | None = None
        self._roads: dict[RequestPlan, Road | None] = {}

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
        if (status := _limits(req)) != OK:
            return status
        return content(req, self._answered(req))

    def _answered(self, req: Request) -> Task:
        try:
            if (road := self._road(req)) is not None and (question := road.question(req)) is not None:
                upstream = None if self.backends.fails(road.known_as) else self.backends.kept(road.key, road.ttl)
                if upstream is not None:
                    status = yield from _by_road(req, road, question, upstream)
                    if status != roads.ANEW:
                        return status
            status = yield from self._pass_on(req, url_for(req))
            return status
        except RequestError as error:
            _log(req, error.reason)
            return error.status
        except Refused as error:
            _log(req, error.reason)
            return error.status
        except Cut as error:
            _log(req, str(error))
            raise ClientGone("a response was cut: the server behind did not end it") from error

    def _road(self, req: Request) -> Road | None:
        """What is the same for the requests of a plan that are usual; None: those of this one are not."""
        try:
            return self._roads[req.mp_plan]
        except KeyError:
            if len(self._roads) >= ROADS:
                self._roads.clear()
            return self._roads.setdefault(req.mp_plan, roads.road_of(req))

    def _pass_on(self, req: Request, url: str) -> Task:
        target = parse(url)
        if target is None:
            raise Refused(constants.HTTP_FORBIDDEN, f"No protocol handler was valid for the URL {url}")
        if target.scheme == "balancer":
            status = yield from self._balance(req, target)
            return status
        parameters = parameters_of(req, url)
        key = f"{target.socket}|{target.base}"
        if self.backends.fails(key):
            raise Refused(503, f"HTTP: disabled connection for ({target.name}): it could not be reached before (retry)")
        status = yield from self._ask(req, key, target, parameters)
        return status

    # ---- one of several

    def _balance(self, req: Request, target: Target) -> Task:
        """Ask a member of a balancer, and another one where that can't be reached."""
        conf = req.mp_host.server.conf
        name = target.base.lower()
        members = conf[MEMBERS].get(name, ())
        parameters = conf[WORKERS].get(name, {})
        balancer = self._balancer(name, members, parameters)
        route = route_of(req, parameters)
        tried: list[Choice] = []
        while True:
            choice = balancer.choose(route, tried)
            if choice is None:
                raise Refused(503, f"{name}: no member can be asked (all in error, or switched off)")
            tried.append(choice)
            told = {
                **({"timeout": parameters["timeout"]} if "timeout" in parameters else {}),
                **choice.member.parameters,
            }
            _tell_route(req, target.host, choice, route)
            try:
                member = choice.target._replace(rest=_joined(choice, target))
                status = yield from self._ask(req, choice.key, member, told)
                self._judge(req, balancer, choice, req.mp_status if status == OK else status)
                return status
            except Refused as error:
                if error.status == 504 and parameters.get("failontimeout"):
                    self.backends.failed(choice.key, told)
                if not error.is_unreached or len(tried) > balancer.attempts:
                    raise
                _log(req, error.reason)
            finally:
                balancer.released(choice)

    def _balancer(self, name: str, members: tuple[Member, ...], parameters: Mapping[str, Parameter]) -> Balancer:
        told = tuple((member.url, member.check, *member.parameters.items()) for member in members)
        key = (name, told, *parameters.items())
        found = self._balancers.get(key)
        if found is None:
            made = Balancer(members, parameters, self.backends.fails, self.backends.recovered, self._health())
            found = self._balancers.setdefault(key, made)  # (atomic: threads that come together get the same)
        return found

    def _health(self) -> Callable[[int], Health]:
        """What tells how the members of checks stand."""
        from mpserver.ipc.member_health import UNKNOWN, MemberHealth  # (few have balancers)

        if self._member_health is None and (lent := runtime.current()) is not None:
            self._member_health = MemberHealth(lent.scoreboard)
        return (lambda _number: UNKNOWN) if self._member_health is None else self._member_health.of

    def _judge(self, req: Request, balancer: Balancer, choice: Choice, status: int) -> None:
        """What the status of an answer says of its member (failonstatus)."""
        told = str(balancer.parameters.get("failonstatus", ""))
        if told and str(status) in told.split(","):
            self.backends.failed(choice.key, choice.member.parameters)
            _log(req, f"{choice.url} answered with {status}, and is left alone (failonstatus)")

    # ---- one server

    def _ask(self, req: Request, known_as: str, target: Target, parameters: Mapping[str, Parameter]) -> Task:
        """Ask a server. As a task, which returns the status.

        :param known_as: what is remembered of it by this name: whether it is left alone.
        :raises Refused: it can't be asked, or does not answer.
        """
        conf = req.mp_host.server.conf
        timeout = float(parameters.get("timeout", conf[TIMEOUT] or req.mp_server_object.timeout))
        encryptor = self._encryption(req.mp_plan.conf) if target.is_encrypted else None
        # (what was looked at for one request is not enough for another with other settings)
        key = f"{target.socket}|{target.base}|{'' if encryptor is None else encryptor.settings}"
        ways = questions.ways_of(req)
        length = questions.body_length(req)
        if length == questions.IN_CHUNKS and (ways.measured or target.scheme in GATEWAYS):
            yield MAY_BLOCK
            length = questions.measured_length(req)
        upgrade = tunnel.wanted(req, target.scheme, parameters)
        fresh = bool(parameters.get("disablereuse")) or parameters.get("enablereuse") is False
        if target.scheme == "fcgi":
            fresh = not parameters.get("enablereuse")  # (it may have few processes, which wait for connections, too)
        reuses, again = not (fresh or ways.closes), False
        first = _beginning(req, target, length, upgrade, ways, reuses)
        while True:
            try:
                upstream = yield from self.backends.connected(
                    key, target, parameters, timeout, conf[SOURCE_ADDRESS], encryptor,
                    fresh=again or not reuses or ways.fresh,
                )  # fmt: skip
            except Refused as error:
                if error.is_unreached:
                    self.backends.failed(known_as, parameters)
                    if again and length not in (0, questions.NONE):
                        # (its body is on its way in `first` only: another member would be asked without it)
                        raise Refused(error.status, error.reason) from error
                raise
            self.backends.recovered(known_as)
            flushes = parameters.get("flushpackets") == "on"
            exchange = _exchange(target.scheme, req, upstream, timeout, length, flushes=flushes, reads=not again)
            exchange.name, exchange.upgrade = target.name, upgrade
            exchange.longest = int(parameters.get("responsefieldsize", exchange.longest))
            try:
                status = yield from _run(exchange, upstream, first, reuses)
                return status
            except Stale as stale:
                if stale.sent is None or req.mp_method not in IDEMPOTENT:
                    raise Refused(502, f"error reading from remote server {target.name}: it is gone") from None
                first, again = stale.sent, True

    def _encryption(self, conf: Conf) -> Encryption:
        """How TLS is spoken with servers behind, made once for equal settings."""
        from mpserver.modules import ssl  # (few have servers behind that speak it)
        from mpserver.modules.proxy.encryption import Encryption

        key = tuple(conf[setting] for setting in ssl.PROXY_SETTINGS)
        found = self._encryptions.get(key)
        if found is None:
            found = self._encryptions.setdefault(key, Encryption(conf))
        return found


def _tell_route(req: Request, name: str, choice: Choice, route: str) -> None:
    """The variables of a balancer, with which a header can keep the route (mod_proxy_balancer)."""
    env, own = req.subprocess_env, str(choice.said("route", ""))
    env["BALANCER_NAME"], env["BALANCER_WORKER_NAME"] = f"balancer://{name}", choice.url
    env["BALANCER_WORKER_ROUTE"] = own
    if route:
        env["BALANCER_SESSION_ROUTE"] = route
    if own and own != route:
        env["BALANCER_ROUTE_CHANGED"] = "1"


def _joined(choice: Choice, target: Target) -> str:
    """The path of a request at a member, whose URL may have a path, too."""
    return choice.target.rest.removesuffix("/") + (target.rest or "/")


def _beginning(req: Request, target: Target, length: int, upgrade: str, ways: questions.Ways, keeps: bool) -> bytes:
    """What a request begins with, as the server of a URL wants it; ``keeps``: the connection is to be used again."""
    if target.scheme not in GATEWAYS:
        return questions.head(req, target, length, upgrade, questions.forwarded_fields(req), ways)
    from mpserver.modules.proxy import gateways  # (others need it not)

    if target.scheme == "fcgi":
        return gateways.fcgi_request(req, target, length, keeps)
    return gateways.uwsgi_request(req, target, length)


def _exchange(
    scheme: str, req: Request, upstream: Upstream, timeout: float, length: int, *, flushes: bool, reads: bool
) -> Exchange:
    """The exchange with a server, by the scheme of its URL."""
    if scheme == "fcgi":
        from mpserver.modules.proxy.gateways import FcgiExchange

        return FcgiExchange(req, upstream, timeout, flushes=flushes, reads=reads)
    kind = HttpExchange
    if scheme == "uwsgi":
        from mpserver.modules.proxy.gateways import UwsgiExchange

        kind = UwsgiExchange
    return kind(req, upstream, timeout, length, flushes=flushes, reads=reads)


def _by_road(req: Request, road: Road, question: bytes, upstream: Upstream) -> Task:
    """Ask in the usual way, as long as it is that. :returns: `roads.ANEW`: the request is to be asked anew."""
    try:
        came = yield from roads.asked(req, road, question, upstream)
    except BaseException:
        upstream.close()
        raise
    if isinstance(came, int):
        return came
    exchange = HttpExchange(req, upstream, road.timeout, questions.NONE)
    exchange.name, exchange.longest = road.target.name, road.longest
    status = yield from _run(exchange, upstream, b"", True, came)
    return status


def _run(exchange: Exchange, upstream: Upstream, first: bytes, reuses: bool, came: bytes = b"") -> Task:
    """One exchange, and what becomes of its connection.

    :param came: what has come of the answer already, to what was sent before.
    """
    try:
        status = yield from exchange.run(first, came)
        if exchange.tunnelled is not None and exchange.answer is not None:
            upstream.unwatch()
            yield MAY_BLOCK
            tunnel.run(exchange.req, upstream, exchange.answer, exchange.tunnelled, exchange.timeout)
    except BaseException:
        upstream.close()
        raise
    if reuses and exchange.is_kept:
        upstream.keep()
    else:
        upstream.close()
    if exchange.local:
        yield MAY_BLOCK
        req = exchange.req
        req.mp_method, req.mp_input = "GET", None
        del req.headers_in["Content-Length"]
        req.mp_internal_redirect(exchange.local)
    return status


def _limits(req: Request) -> int:
    """What is not passed on: TRACE where it is off, and what has been passed on often enough (Max-Forwards)."""
    conf = req.mp_host.server.conf
    if req.mp_method == "TRACE" and not core.traces(conf):
        return constants.HTTP_METHOD_NOT_ALLOWED
    told = questions.field(req, "max-forwards")
    if told is not None:
        if not _NUMBER.fullmatch(told):
            _log(req, "a Max-Forwards that is no number")
            return constants.HTTP_BAD_REQUEST
        left = int(told)
        if not left:
            return _last(req)
        req.headers_in["Max-Forwards"] = str(left - 1)
    elif conf[MAX_FORWARDS] >= 0:
        req.headers_in["Max-Forwards"] = str(conf[MAX_FORWARDS])
    return OK


def _last(req: Request) -> int:
    """Max-Forwards is used up: TRACE and OPTIONS are answered here (RFC 9110 7.6.2), and all else may go in circles."""
    if req.mp_method == "TRACE":
        status: int = req.mp_plan.named(TRACE_HANDLER)(req)
        return status
    if req.mp_method == "OPTIONS":
        errorpage.tell_methods(req, req.mp_allowed_methods)
        req.mp_set_content_length(0)
        return constants.DONE
    _log(req, "Max-Forwards has reached zero: a proxy loop?")
    return constants.HTTP_BAD_REQUEST


def parameters_of(req: Request, url: str) -> Mapping[str, Parameter]:
    """What is said of the server of a URL: by the longest beginning of it that something is said of."""
    workers = req.mp_host.server.conf[WORKERS]
    found = [key for key in workers if url.startswith(key)]
    return workers[max(found, key=len)] if found else {}


def _log(req: Request, text: str) -> None:
    req.mp_log.log(ERROR, text, module="proxy", about=req)
