"""What ``mpserver --trace`` is told of a request: what was found for it, and every step with its result and time.

All of it travels where a request's spans travel (``mp_spans``): to the interpreters that it goes on in, and back to the
one that logs it. So it is whole wherever the request has been. The names of these spans are texts of JSON: a list of
what is told (`FOUND`, `STEP`) and the facts.
"""

from __future__ import annotations

import json
import os
import time

from mpserver.api.constants import DECLINED
from mpserver.api.secrets import is_secret, without_userinfo
from mpserver.config.entries import FILES
from mpserver.config.sections import allowed_by, for_files
from mpserver.errors import Moves
from mpserver.ipc.span_records import SPAN
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mpserver.api.request import Request
    from mpserver.config.settings import Conf
    from mpserver.modules.hooks import Engine, Step

#: What is told of a request as it begins its steps in an interpreter; and of each of them.
FOUND, STEP = "found", "step"
#: So much of a text is told, and so much of a request: beyond that only what its end was.
LONGEST, MOST = 2000, 400_000
_HIDDEN = "(not shown)"


class Report:
    """A `mpserver.modules.open_logs.TransactionLog`; its one line is a number, a blank, and an object of JSON."""

    is_conditional = False

    def wants(self, req: Any) -> bool:
        """See `TransactionLog`."""
        return True

    def line(self, req: Request) -> str:
        """What became of a request; the number is that of who asked (`mpserver.serving.traced`)."""
        last = req.mp_last
        holder: Request | None = last
        while holder is not None and holder.mp_spans is None:
            holder = holder.mp_prev
        spans = () if holder is None or holder.mp_spans is None else holder.mp_spans
        told = {
            "server": req.mp_host.server.number,
            "name": req.mp_host.name,
            "seconds": req.mp_duration,
            "status": last.mp_status,
            "sent": last.mp_sent,
            "events": [spans[at : at + SPAN] for at in range(0, len(spans), SPAN)] or [_bare(last)],
        }
        link: Any = req.mp_link
        return f"{link.local[2]} {json.dumps(told)}"


def told(name: str, step: Step, engine: Engine, *, may_decline: bool = False) -> Step:
    """A step that is told of, by a name.

    :param may_decline: nothing ran where it declines.
    """
    now = time.time
    home: Any = engine.home
    where = "" if home is None else f"{home.name} ({engine.kind})"

    def run(req: Request) -> int:
        _found(req, where)
        began, uri, result, why = now(), req.mp_uri, 500, ""
        try:
            result = step(req)
        except Moves as move:
            result, why = 0, f"goes on in interpreter {move.interpreter_id[1]}"
            raise
        except BaseException as error:
            why = type(error).__name__
            raise
        finally:
            if result != DECLINED or not may_decline:
                _note(req, json.dumps([STEP, name, uri, where, why]), began, now(), result)
        return result

    return run


def _note(req: Request, name: str, began: float, ended: float, result: int) -> None:
    """Add to what is told: to the last request of its chain, for that one's spans come back from everywhere."""
    while req.mp_main is not None:
        req = req.mp_main
    last = req.mp_last
    spans = last.mp_spans
    before = last.mp_prev
    while spans is None and before is not None:
        spans, before = before.mp_spans, before.mp_prev
    last.mp_spans = (*(spans or ()), name, began, ended, result)


def _found(req: Request, where: str) -> None:
    """Tell what is known of a request, where nothing was told of it yet, or something else."""
    name = json.dumps([FOUND, {**_facts(req), "interpreter": where}])
    main = req
    while main.mp_main is not None:
        main = main.mp_main
    holder: Request | None = main.mp_last
    while holder is not None and holder.mp_spans is None:
        holder = holder.mp_prev
    known = () if holder is None or holder.mp_spans is None else holder.mp_spans
    if name not in known and sum(map(len, known[::SPAN])) < MOST:
        now = time.time()
        _note(req, name, now, now, 0)


def _bare(req: Request) -> tuple[str, float, float, int]:
    """What is told of a request that met no step: it was answered before, or refused."""
    return json.dumps([FOUND, {**_facts(req), "interpreter": ""}]), req.mp_request_time, req.mp_request_time, 0


def _facts(req: Request) -> dict[str, Any]:
    located, plan = req.mp_located, req.mp_plan
    resource = None if located is None else located.resource
    kind = "sub-request" if req.mp_main is not None else "redirect" if req.mp_prev is not None else "request"
    return {
        "uri": req.mp_uri,
        "kind": kind,
        "early": located is None,
        "filename": req.mp_filename,
        "path_info": req.mp_path_info,
        "exists": resource is not None and resource.finfo is not None,
        "wants": plan.interpreter_id.name if plan.needs_python else "",
        "sections": [] if resource is None else list(_sections(req, resource)),
        "plan": [[title, without_userinfo(text)[:LONGEST]] for title, text in plan.tell(req)],
        "settings": list(_settings(plan.conf)),
    }


def _sections(req: Request, resource: Any) -> Iterator[list[str]]:
    """The sections that hold for a request, in the order in which they are merged: their kinds and patterns."""
    sections = req.mp_host.server.sections
    conf, filename, base = sections.base, resource.filename, ""
    if filename is not None and filename.startswith("/"):
        folder, _, base = filename.rpartition("/")
        if resource.is_directory:
            folder, base = filename.rstrip("/"), ""
        parts = folder.strip("/").split("/") if folder.strip("/") else []
        chain = ["/", *(f"/{'/'.join(parts[: number + 1])}/" for number in range(len(parts)))]
        for directory in chain:
            for entry in sections.for_directory(directory):
                conf = conf.merged(entry.conf)
                yield [entry.kind, entry.pattern]
            if allowed_by(conf):
                yield from ([name, directory] for name in sections.names if os.path.exists(directory + name))
        if base and resource.finfo is not None:
            yield from ([entry.kind, entry.pattern] for entry in sections.for_directory(f"{filename}/"))
        for entry in sections.for_directory_regexes(chain[-1] + base):
            yield [entry.kind, entry.pattern]
    if base:  # (the merged ones have those of .htaccess files as well)
        yield from ([entry.kind, entry.pattern] for entry in for_files(resource.conf[FILES], base))
    yield from ([entry.kind, entry.pattern] for entry in sections.for_location(resource.uri))


def _settings(conf: Conf) -> Iterator[list[str]]:
    """The merged configuration, as far as it differs from the defaults: of what is more than one word, the names."""
    for setting, value in sorted(conf.values.items(), key=lambda its: its[0].name):
        if value != setting.default:
            yield [setting.name, _HIDDEN if is_secret(setting.name) else _shown(value)]


def _shown(value: Any) -> str:
    """A value without what may be secret in it."""
    if isinstance(value, dict):
        return ", ".join(sorted(map(str, value)))[:LONGEST]
    if isinstance(value, (tuple, list, frozenset)):
        plain = [str(one) for one in value if type(one) in (str, int, float)]
        return (
            ", ".join(plain) if len(plain) == len(value) and type(value) is not frozenset else f"{len(value)} of them"
        )[:LONGEST]
    if type(value) in (bool, int, float, str, type(None)):
        return without_userinfo(str(value))[:LONGEST]
    return type(value).__name__
