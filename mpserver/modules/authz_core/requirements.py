"""Require env, expr and method (mod_authz_core)."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.api import constants
from mpserver.config.expression import Expression, Tree
from mpserver.errors import ConfigError, ExpressionError
from mpserver.modules.authz_core import NEEDS_USER, Decision, Requirement, decided
from mpserver.modules.hooks import Planning
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.registry import Call
    from mpserver.modules.authz_core.providers import Check, Make, Read


def _read_names(_call: Call, words: tuple[str, ...], _text: str) -> None:
    if not words:
        raise ConfigError("Require env needs the name of a variable, as in Require env allowed")


def _read_methods(_call: Call, words: tuple[str, ...], _text: str) -> tuple[str, ...]:
    known = (*constants.METHOD_NUMBERS, "QUERY")
    for word in words:
        if word not in known:
            raise ConfigError(f"'{word}' is not a valid method name")
    if not words:
        raise ConfigError("Require method needs at least one method, as in Require method GET POST")
    return tuple("GET" if word == "HEAD" else word for word in words)


def _read_expression(_call: Call, _words: tuple[str, ...], text: str) -> Expression:
    from mpserver.config import expression_grammar  # (only where there are expressions)

    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('\\"', '"')
    try:
        return expression_grammar.test(text)
    except ExpressionError as error:
        raise ConfigError(f"Cannot parse expression in require line: {error}") from error


READ: Mapping[str, Read] = {"env": _read_names, "method": _read_methods, "expr": _read_expression}


def _env(_planning: Planning, requirement: Requirement) -> Check:
    names = requirement.names

    def check(req: Request) -> Decision:
        table = req.mp_env
        return decided(table is not None and any(table.get(name) is not None for name in names))

    return check


def _method(_planning: Planning, requirement: Requirement) -> Check:
    methods: tuple[str, ...] = requirement.data
    return lambda req: decided(("GET" if req.mp_method == "HEAD" else req.mp_method) in methods)


def _mentions_user(tree: Tree) -> bool:
    """Whether an expression may come to something else once there is a user."""
    return tree == ("variable", "REMOTE_USER") or any(type(part) is tuple and _mentions_user(part) for part in tree)


def _expr(_planning: Planning, requirement: Requirement) -> Check:
    from mpserver.modules import expressions

    expression: Expression = requirement.data
    asks_for_user = _mentions_user(expression.tree)

    def check(req: Request) -> Decision:
        facts = expressions.RequestFacts(req)
        held = expressions.holds(expression, facts)
        facts.tell_caches()
        if not held and asks_for_user:
            return NEEDS_USER
        return decided(held)

    return check


CHECK: Mapping[str, Make] = {"env": _env, "method": _method, "expr": _expr}
