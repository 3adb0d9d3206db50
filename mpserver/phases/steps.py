"""The phases of a plan, as functions of the request: what the modules' hooks answer, put together as httpd does.

A step returns OK or DECLINED to go on, DONE to end the request well, or the status to answer with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mpserver.api import constants
from mpserver.api.response_head import FIXED
from mpserver.errors import Moves
from mpserver.modules import core
from mpserver.modules.hooks import ANY_HANDLER, OF_ACCOUNTS, Insertion, Planning, Step
from mpserver.phases.plan import Phases
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.server import Server
    from mpserver.config.settings import Conf
    from mpserver.phases.filters import PlanFilters

OK, DECLINED, DONE = constants.OK, constants.DECLINED, constants.DONE

#: The name among the phases of a request that ran elsewhere (``mp_passed``) of what decides without a user. Anybody may
#: say that it does not: then the user is asked for.
CHECKED = f"{OF_ACCOUNTS}access_checker_ex"


def compile_phases(planning: Planning) -> Phases:
    """All phases but that of the content."""
    asking = _Asking(planning)
    ask = asking.steps
    begin = beginning(planning.functions("begin"), planning.server)
    way = ask("map_to_storage")
    steps = [*begin, *way, *map(_once, ask("header_parser"))]
    gates = _gates(ask("access_checker"), _admission(planning, asking), planning.ask("one_is_enough"))
    steps += map(_gated, gates)
    planning.stepped = bool(steps)
    checkers = [_first(found)] if (found := ask("type_checker", stepping=True)) else []
    fixups = tuple(ask("fixups"))
    changes, are_fixed = _head_changes(planning.server.conf, ask("head"))
    heading = _heading(changes, FIXED if are_fixed else True)
    is_still = asking.plain and not steps and (not changes or are_fixed)
    last = [*checkers, *fixups, *heading]
    steps += last
    return Phases(
        post_read_request=(*begin, *planning.steps("post_read_request")),
        translate_name=tuple(planning.steps("translate_name")),
        steps=tuple(steps),
        fixups=fixups,
        heading=tuple(heading),
        has_gates=bool(gates),
        plain=(*way, *last) if asking.plain else None,
        is_still=is_still,
        log_transaction=tuple(planning.steps("log_transaction")),
        cleanup=tuple(planning.steps("cleanup")),
    )


class _Asking:
    """Asks for the steps of one plan, and notes whether all of them are plain (`mpserver.modules.hooks`)."""

    def __init__(self, planning: Planning) -> None:
        self._planning = planning
        self.plain = True

    def steps(self, hook: str, *, stepping: bool = False) -> list[Step]:
        """What the modules answer to a hook. ``stepping``: each is told of those before it."""
        planning = self._planning
        steps: list[Step] = []
        for function in planning.functions(hook):
            step = function(planning)
            if step is None:
                continue
            steps.append(planning.observed(hook, function.__module__, step) if planning.observers else step)
            self.plain = self.plain and planning.is_plain(function)
            if stepping:
                planning.stepped = True
        return steps


def beginning(functions: Sequence[Callable[[Server], Step | None]], server: Server) -> tuple[Step, ...]:
    """What a request's head decides, as one step: a request that had it before passes, and so do parts of pages."""
    steps = [step for function in functions if (step := function(server)) is not None]
    if not steps:
        return ()

    def begin(req: Request) -> int:
        if not req.mp_begun and req.mp_main is None:
            req.mp_begun = True
            for step in steps:
                step(req)
        return OK

    return (begin,)


def _head_changes(conf: Conf, steps: Sequence[Step]) -> tuple[Sequence[Step], bool]:
    """What is to be done to the head, and whether that is the same for all responses, a `FixedHead`.

    :param conf: the server's, which has the limits.
    """
    if not steps:
        return (), False
    from mpserver.api.fixed_head import FixedChange, FixedHead  # (few applications have any)

    fixed = [step for step in steps if isinstance(step, FixedChange)]
    if len(fixed) == len(steps):
        try:
            head = FixedHead(fixed)
        except ValueError:
            return tuple(steps), False  # a value can't be sent: each response tells
        if head.fits(conf[core.LIMIT_RESPONSE_FIELDS], conf[core.LIMIT_RESPONSE_HEAD]):
            return head, True
    return tuple(steps), False


def _heading(changes: Sequence[Step], depends: int) -> Sequence[Step]:
    """The last step before the content: its head is to be changed."""
    if not changes:
        return ()

    def head(req: Request) -> int:
        req.mp_before_head = changes
        if not req.mp_head_depends or depends != FIXED:
            req.mp_head_depends = depends
        return OK

    return (head,)


def _first(steps: Sequence[Step]) -> Step:
    """A step of several, of which the first that does not decline decides."""
    if len(steps) == 1:
        return steps[0]

    def first(req: Request) -> int:
        for step in steps:
            result = step(req)
            if result != DECLINED:
                return result
        return DECLINED

    return first


def _once(step: Step) -> Step:
    """A step that sub-requests leave out: the main request has been through it."""

    def once(req: Request) -> int:
        return OK if req.mp_main is not None else step(req)

    return once


def _gated(step: Step) -> Step:
    """A step that decides who may come in, but for those whom httpd lets in unasked (see `mpserver.phases.gates`)."""

    def gated(req: Request) -> int:
        if not req.mp_admitted:
            return step(req)
        if req.mp_prev is not None and req.mp_user is None:
            req.mp_take_user(req.mp_prev)
        return OK

    return gated


def _gates(
    access: Sequence[Step], admission: Sequence[Step], one_is_enough: Sequence[Callable[[Request], bool]]
) -> Sequence[Step]:
    """What decides who may come in: by where the client is, and by who it is; where Satisfy says so one is enough."""
    if not one_is_enough or not access:
        return (*access, *admission)

    def each(req: Request, steps: Sequence[Step]) -> int:
        for step in steps:
            result = step(req)
            if result not in (OK, DECLINED):
                return result
        return OK

    def either(req: Request) -> int:
        result = each(req, access)
        if not any(asks(req) for asks in one_is_enough):
            return result or each(req, admission)
        if result == OK or (req.mp_notes is not None and req.mp_notes.get(core.FORBIDDEN_NOTE) is not None):
            return result
        return each(req, admission)

    return (either,)


def _admission(planning: Planning, asking: _Asking) -> Sequence[Step]:
    """Whether the client may come in, with authentication and authorisation where that depends on the user."""
    checkers = asking.steps("access_checker_ex")
    if not checkers:
        return ()
    check, notes = _first(checkers), planning.steps("note_auth_failure")
    find_user, allow = _first(asking.steps("check_user_id")), _first(asking.steps("auth_checker"))

    def admit(req: Request) -> int:
        passed = req.mp_passed
        if passed is not None and passed.get(f"{CHECKED} {req.mp_uri}") == DECLINED:
            result = DECLINED  # (it goes on here: by now a user may be known who was not, when it was checked)
        else:
            result = check(req)
        if result == DECLINED:
            try:
                result = authenticate(req)
            except Moves:
                req.mp_passed = {**(req.mp_passed or {}), f"{CHECKED} {req.mp_uri}": DECLINED}
                raise
        if result == constants.HTTP_UNAUTHORIZED:
            for note in notes:
                note(req)
        return result

    def authenticate(req: Request) -> int:
        result = find_user(req)
        if result == DECLINED:
            text = "AH00027: no authentication was done for a request that needs a user: is a PythonAuthenHandler set?"
            return _unknown(req, text)
        if result != OK:
            return result
        if req.mp_user is None:
            return _unknown(req, "After PythonAuthenHandler req->user is NULL: the handler has to set req.user")
        return allow(req)

    return (admit,)


def _unknown(req: Request, reason: str) -> int:
    text = f"{reason}: {req.mp_filename or req.mp_uri}"
    req.mp_log.log(constants.APLOG_ERR, text, module="authz_core", about=req)
    return constants.HTTP_INTERNAL_SERVER_ERROR


# ---- content


def compile_content(planning: Planning, filters: PlanFilters | None, insertions: Sequence[Insertion]) -> Step:
    """The content of a request: of a directory, or what the handler that ``req.handler`` names makes of it."""
    directory = _first(planning.steps("directory"))
    content = _content(planning, directory)
    if filters is None or not insertions:
        return content

    def filtered(req: Request) -> int:
        if req.mp_is_directory:  # (an index file has the filters of its own plan)
            result = directory(req)
            if result != DECLINED:
                return result
            req.mp_is_directory = False  # (there is nothing more to be looked for)
        for insertion in insertions:
            insertion.insert(req, filters)
        result = content(req)
        if result in (OK, DONE):
            req.mp_finish()  # here, so that PythonRequestTimeout counts for the filters, too
        return result

    return filtered


def _content(planning: Planning, directory: Step) -> Step:
    handlers: dict[str, Step | None] = {}
    others: Step | None = None

    def content(req: Request) -> int:
        nonlocal others
        if req.mp_is_directory:
            result = directory(req)
            if result != DECLINED:
                return result
        name = req.mp_handler
        if name is not None:
            try:
                handler = handlers[name]
            except KeyError:
                handler = handlers[name] = planning.handler(name)
            if handler is not None:
                result = handler(req)
                if result != DECLINED:
                    return result
        if others is None:
            others = _first([*planning.steps("any_handler"), planning.own_handler(ANY_HANDLER)])
        return others(req)

    return content
