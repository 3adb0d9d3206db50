"""Compiles plans: from the merged configuration of a request to what has to be done, by asking the modules."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.modules import python
from mpserver.modules.core import SET_HANDLER
from mpserver.modules.hook_table import HookTable
from mpserver.modules.hooks import Insertion, InterpreterChoice, Planning
from mpserver.modules.mime import ADD_HANDLER
from mpserver.modules.python.environment import Environment
from mpserver.phases.filters import PlanFilters
from mpserver.phases.plan import InterpreterId, Plan
from mpserver.phases.steps import compile_content, compile_phases
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.settings import Conf
    from mpserver.modules.hooks import Engine
    from mpserver.phases.host import Site

#: See `python.MAIN_INTERPRETER`.
MAIN = python.MAIN_INTERPRETER


def identify(name: str, backend: str, environment: Environment = ()) -> InterpreterId:
    """Where an interpreter of this name runs, by PythonInterpBackend and what it has of its own."""
    if environment:
        return InterpreterId("process", name, environment)
    if name == MAIN or backend == "main":
        return InterpreterId("main", MAIN)
    return InterpreterId(backend, name)


def named_handlers(conf: Conf) -> tuple[str | None, ...]:
    """The content handlers that a configuration names."""
    return (conf[SET_HANDLER], *conf[ADD_HANDLER].values())


def compile_plan(table: HookTable, engine: Engine, site: Site, conf: Conf, filename: str | None) -> Plan:
    """The plan of requests with this configuration; ``filename``: of the request that it is first made for."""
    plan = Plan(site.server, conf)
    planning = Planning(table, engine, plan, site.server, site.name, site.log, filename)
    planning.require_handlers(named_handlers(conf))
    insertions: list[Insertion] = planning.ask("insert_filter")
    planning.names = frozenset(name for insertion in insertions for name in insertion.names)
    planning.require_owners()
    plan.needs_python = any(planning.ask("needs_interpreter"))
    plan.interpreter, plan.interpreter_id = _interpreter(planning, engine.environments)
    if not plan.needs_python and (own := planning.ask("own_interpreter")):
        plan.needs_python, plan.interpreter = True, own[0]
        plan.interpreter_id = identify(own[0], "auto")
        plan.waits = engine.loader is not None and not plan.time_limit and not planning.observers
    plan.interpreters = {
        phase: _identify(choice) for found in planning.ask("interpreters") for phase, choice in found.items()
    }
    if not plan.needs_python and (foretell := planning.ask("leads_to")):
        plan.leads_to, plan.branches = foretell[0], True
    plan.phases = phases = compile_phases(planning)
    plan.error_head = tuple(planning.ask("error_head"))
    plan.has_last_handlers = bool(phases.log_transaction or phases.cleanup)
    plan.has_end = plan.has_last_handlers or bool(site.access_logs)
    plan.steps = plan.phases.steps
    plan.compile_added = lambda: compile_phases(planning.for_added())
    plan.filters = None if engine.loader is None else PlanFilters(planning)
    plan.named, plan.ask = planning.own_handler, planning.ask
    plan.content = compile_content(planning, plan.filters, insertions)
    plan.in_loop = (
        plan.waits and not insertions and plan.auth_type is None and not plan.hostname_lookups
        and not any(planning.ask("may_block"))
    )  # fmt: skip
    plan.is_still = (
        phases.is_still and not insertions and not planning.ask("any_handler")
        and not (plan.needs_python or plan.branches or site.has_early or site.rewriters)
    )  # fmt: skip
    return plan


def _interpreter(planning: Planning, environments: Mapping[str, Environment]) -> tuple[str, InterpreterId]:
    """Where the requests run, as a module says, else under the server's name: what it is called, and where it is."""
    choices: list[InterpreterChoice] = planning.ask("interpreter")
    if not choices:
        name = planning.host_name
        return name, identify(name, "auto", environments.get(name, ()))
    return _identify(choices[0])


def _identify(choice: InterpreterChoice) -> tuple[str, InterpreterId]:
    name = MAIN if choice.name is None else choice.name
    return name, identify(name, choice.kind, choice.environment)
