"""``mpserver -t --load``: whether what the configuration's applications begin with can be loaded.

Each application is loaded in a process of its own, which is thrown away, as ``mpserver check-interp`` does it.
"""

from __future__ import annotations

from collections.abc import Iterator

from mpserver.api import named_objects
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
    objects = applications.objects(configuration)
    for name in names:
        environment = environments.get(name, ())
        wanted = facts.modules(finished, name, environment)
        outcome = check_interp.attempt("process", finished, name, wanted, environment, objects.get(name, {}))
        if outcome.result == check_interp.FAILS:
            module, _, path = outcome.why.partition(" ")[0].partition("::")
            found.append(f"interpreter '{name}': {outcome.why}{_place(configuration.tree, module, path)}")
    return found


def _place(tree: Tree, module: str, path: str) -> str:
    """Where the configuration first names a module, as `` (line 3 of /etc/site.conf)``; "": nowhere.

    ``path``: where the object is meant that has this path in it, by its path or because it is the usual one.
    """
    places: dict[str, str] = {}
    for node in _all(tree):
        name = node.name.lower()
        if name.startswith(("python", "wsgi")) and name != "pythoninterpreter":  # (who may be called as its module is)
            for named in map(named_objects.parse, node.args[:1] if name == "pythonimport" else node.args):
                if named.module == module:
                    places.setdefault(named.path, f" (line {node.line} of {node.file})")
    return places.get(path) or places.get("") or next(iter(places.values()), "")


def _all(tree: Tree) -> Iterator[Node]:
    for node in tree:
        yield node
        yield from _all(node.children or ())
