"""The rules' part in requests: those of servers choose the resource, those of directories lead to another one."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.modules.core.options import Option, effective
from mpserver.modules.hooks import Planning, Step
from mpserver.modules.rewrite import DIRECTORY, DirectoryRules, Rule, of_server
from mpserver.modules.rewriting import LeadsTo, Rewriter, Rewritten
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.server import Server
    from mpserver.modules.rewrite.expansion import Maps
    from mpserver.modules.rewrite.rules import Ready

#: The handler of requests that go on as others; their file's name is `PREFIX` and the URI.
REDIRECT_HANDLER, PREFIX = "redirect-handler", "redirect:"


def rewrite_request(server: Server) -> Rewriter | None:
    """The rules of a server."""
    own = of_server(server)
    if not own.engine or not own.rules:
        return None
    rules: tuple[Ready, ...] | None = None

    def rewrite(req: Request) -> Rewritten | None:
        nonlocal rules
        from mpserver.modules.rewrite import outcome  # (few servers have rules)

        if rules is None:
            rules = _ready(own.rules, _opened(server))
        return outcome.of_server(req, rules, own)

    return rewrite


def _ready(rules: tuple[Rule, ...], maps: Maps) -> tuple[Ready, ...]:
    from mpserver.modules.rewrite.rules import made_ready

    return made_ready(rules, maps)


def _opened(server: Server) -> Maps:
    """The maps of a server."""
    from mpserver.modules.rewrite import maps

    return {name: maps.opened(its) for name, its in of_server(server).maps.items()}


def _maps(planning: Planning) -> Maps:
    """The maps of a server for all its sections: a program runs once, and a file is read once, for all plans."""
    kept: dict[int, Maps] = planning.engine.kept.setdefault("rewrite", {})
    number = planning.server.number  # (hosts whose directories depend on their names are many of one number)
    found = kept.get(number)
    if found is None:
        found = kept.setdefault(number, _opened(planning.server))
    return found


def _of(planning: Planning) -> DirectoryRules | None:
    """The rules of a section, where there are some that count."""
    own = planning.conf[DIRECTORY]
    if own is None or own.directory is None or not own.engine or not own.rules:
        return None
    return own


def may_block(planning: Planning) -> bool:
    """Maps and conditions ask programs, files and other requests."""
    return _of(planning) is not None


def fixups(planning: Planning) -> Step | None:
    """The rules of sections and .htaccess files."""
    own = _of(planning)
    if own is None:
        return None
    if not effective(planning.conf) & (Option.LINKS | Option.OWNER):
        return _forbidden
    from mpserver.modules.rewrite import outcome  # (as above)

    rules = _ready(own.rules, _maps(planning))

    def rewrite(req: Request) -> int:
        found = outcome.of_directory(req, rules, own, False)
        if found is None:
            return constants.DECLINED
        effects = found.effects
        effects.begin(req)
        if found.status:
            return found.status
        if found.uri is None:
            effects.force(req)
        else:
            req.mp_handler, req.mp_filename, req.mp_is_directory = REDIRECT_HANDLER, PREFIX + found.uri, False
        return constants.OK

    return rewrite


def _forbidden(req: Request) -> int:
    text = (
        "Options FollowSymLinks and SymLinksIfOwnerMatch are both off, so the RewriteRule directive is also forbidden "
        f"due to its similar ability to circumvent directory restrictions : {req.mp_filename}"
    )
    req.mp_log.log(ERROR, text, module="rewrite", about=req, number=670)
    return constants.HTTP_FORBIDDEN


def leads_to(planning: Planning) -> LeadsTo | None:
    """Where the rules of a section will lead a request: the interpreter of that has to serve it from the start."""
    own = _of(planning)
    if own is None or not effective(planning.conf) & (Option.LINKS | Option.OWNER):
        return None
    from mpserver.modules.rewrite import outcome  # (as above)

    rules = _ready(own.rules, _maps(planning))

    def look(req: Request) -> str | None:
        found = outcome.of_directory(req, rules, own, True)
        if found is None:
            return None
        found.effects.begin(req)
        return found.uri

    return look


def handlers(_planning: Planning) -> Mapping[str, Step]:
    """What goes on as another request."""
    return {REDIRECT_HANDLER: _redirect}


def _redirect(req: Request) -> int:
    filename = req.mp_filename or ""
    if not filename.startswith(PREFIX):
        return constants.DECLINED
    req.mp_internal_redirect(filename.removeprefix(PREFIX))
    return constants.OK
