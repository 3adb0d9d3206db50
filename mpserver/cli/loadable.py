"""``mpserver -t --load``: whether what the configuration's applications begin with can be loaded.

Each application is loaded in a process of its own, which is thrown away, as ``mpserver check-interp`` does it.
"""

from __future__ import annotations

from collections.abc import Iterator

from mpserver.cli import check_interp
from mpserver.config.configuration import Configuration
from mpserver.config.tree import Node, Tree
from mpserver.phases import applications, facts
from mpserver.phases.survey import finish


def faults(configuration: Configuration) -> list[str]:
    """What can't be loaded: each in a line, with its application and its directive."""
    found: list[str] = []
    environments = applications.environments(configuration).by_name
    names = applications.names(configuration)
    if not names:
        return found
    finished = finish(configuration, configuration.encryption)
    for name in names:
        environment = environments.get(name, ())
        wanted = facts.modules(finished, name, environment)
        outcome = check_interp.attempt("process", finished, name, wanted, environment)
        if outcome.result == check_interp.FAILS:
            module = outcome.why.partition(" ")[0]
            found.append(f"interpreter '{name}': {outcome.why}{_place(configuration.tree, module)}")
    return found


def _place(tree: Tree, module: str) -> str:
    """Where the configuration first names a module, as `` (line 3 of /etc/site.conf)``; "": nowhere."""
    return next((f" (line {node.line} of {node.file})" for node in _all(tree) if _names(node, module)), "")


def _names(node: Node, module: str) -> bool:
    name = node.name.lower()
    return name.startswith("python") and any(word.partition("::")[0] == module for word in node.args)


def _all(tree: Tree) -> Iterator[Node]:
    for node in tree:
        yield node
        yield from _all(node.children or ())
