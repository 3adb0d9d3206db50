"""mod_proxy's part in requests: what leads them to other servers, and the handler that passes them on."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.api import constants
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.modules import core, mime, proxy
from mpserver.modules.hooks import PROXY_HANDLER, PROXY_PREFIX, Planning, Step, Translation, Translator
from mpserver.modules.known import Order
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: (in httpd ProxyPass is asked before aliases and redirects)
ORDER = {"translate_path": Order.FIRST, "map_to_storage": Order.FIRST}


def translate_path(server: Server) -> Translator | None:
    """ProxyPass and ProxyPassMatch, where there are some."""
    locations = any(entry.conf[proxy.LOCATION_PASS] is not None for entry in server.sections.locations)
    if not locations and not server.conf[proxy.PASSES]:
        return None
    from mpserver.modules.proxy.mapping import Mapping as Passes  # (only where there are some)

    passes = Passes(server)

    def translate(path: str, conf: Conf, _server: Server) -> Translation | None:
        found = passes.find(path, conf)
        if found is None:
            return None
        by, url = found
        return Translation(PROXY_PREFIX + url, PROXY_HANDLER, sections=passes.sections(by, url))

    return translate


def own_interpreter(planning: Planning) -> str | None:
    """Requests that wait for another server hold up nobody: they have an interpreter with threads."""
    conf = planning.conf
    named = (conf[core.SET_HANDLER], *conf[mime.ADD_HANDLER].values())
    if conf[proxy.PASSED] is not None or any(name is not None and name.startswith(PROXY_PREFIX) for name in named):
        return proxy.INTERPRETER
    return None


def map_to_storage(planning: Planning) -> Step | None:
    """What ProxyPass has led elsewhere is not for the file system."""
    return None if planning.conf[proxy.PASSED] is None else _elsewhere


def _elsewhere(req: Request) -> int:
    if (req.mp_filename or "").startswith(PROXY_PREFIX):
        req.mp_proxyreq = constants.PROXYREQ_REVERSE
        req.mp_handler = PROXY_HANDLER
    return constants.OK


def handlers(planning: Planning) -> Mapping[str, Step]:
    """The one for requests of other servers, and ``proxy:URL``."""
    if planning.engine.loader is None:
        return {}  # (a router passes nothing on)
    kept = planning.engine.kept
    if "proxy" not in kept:
        from mpserver.modules.proxy.handler import Proxy  # (only where a request is passed on)

        kept["proxy"] = Proxy()
    handle: Step = kept["proxy"].handle
    return {PROXY_HANDLER: handle, PROXY_PREFIX: handle}
