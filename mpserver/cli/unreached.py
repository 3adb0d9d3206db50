"""Directory sections that look as if they held for a Location, and do not.

A path for which Python handlers stand in a ``<Location>`` means no file, so no ``<Directory>`` counts there, with
mod_python under Apache as well. Who keeps a folder closed by a ``<Directory>`` should hear that such a path is open.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from mpserver.config.tree import Node, Tree

#: What begins a path that is a pattern, or is worked out for each request.
_SIGNS = frozenset("*?[%$~")
#: What is missed where it does not hold, in lower case: access, and what handlers run with.
_MISSED = ("require", "deny", "pythondebug", "pythonoption", "pythoninterpreter", "pythonpath")
#: What puts several of the former together.
_GROUPS = ("requireall", "requireany", "requirenone")
#: Two say the same where they begin with the same word.
_BY_NAME = ("pythonoption",)


def found(tree: Tree, root: str) -> Iterator[str]:
    """What to tell of the main server and of each host.

    :param root: ServerRoot, for paths that are relative to it.
    """
    hosts = [node.children or () for node in tree if node.name.lower() == "virtualhost"]
    outer = tuple(node for node in tree if node.name.lower() != "virtualhost")
    for level, around in ((outer, ()), *((host, outer) for host in hosts)):
        yield from _of_level(level, [*around, *level], root)


def _of_level(level: Sequence[Node], nodes: list[Node], root: str) -> Iterator[str]:
    """What the Locations of one level miss of all Directory sections that are seen there."""
    documents = [node.args[0] for node in nodes if node.name.lower() == "documentroot" and node.args]
    if not documents:
        return
    place = os.path.join(root, documents[-1])
    # (that of the root is for what nothing else names)
    directories = [(path, node) for node in nodes if (path := _plain(node, "directory")) and path != "/"]
    locations = [(path, node) for node in nodes if (path := _plain(node, "location"))]
    for path, node in ((_plain(node, "location"), node) for node in level):
        if not path or not any(_is_handler(child.name.lower()) for child in node.children or ()):
            continue
        file = os.path.join(place, path.lstrip("/"))
        said = {word for outer, other in locations if _lies(path, outer) for word in _said(other)}
        for folder, section in directories:
            missed = [child for child in section.children or () if _is_missed(child) and _word(child) not in said]
            if missed and _lies(file, folder):
                yield (
                    f"<Location {path}> has Python handlers, so its requests mean no file, and no <Directory> counts "
                    f"for them: {_shown(missed[0])} of <Directory {section.args[0]}> (line {missed[0].line}) does not "
                    f"hold there: say in the Location, too, what is to hold (line {node.line} of {node.file})"
                )
                break


def _plain(node: Node, kind: str) -> str:
    """The path of a section without patterns, "" for whatever else it is."""
    if node.name.lower() != kind or len(node.args) != 1 or _SIGNS.intersection(node.args[0]):
        return ""
    return node.args[0].rstrip("/") or "/"


def _lies(path: str, outer: str) -> bool:
    """Whether a path is another one, or lies in it."""
    return outer == "/" or path == outer or path.startswith(outer + "/")


def _is_handler(name: str) -> bool:
    return name.startswith("python") and name.endswith("handler")


def _is_missed(node: Node) -> bool:
    """Whether it makes a difference that this does not hold."""
    if node.name.lower() in _GROUPS:
        return any(_is_missed(child) for child in node.children or ())
    words = [word.lower() for word in node.args]
    return node.name.lower() in _MISSED and words not in (["all", "granted"], ["off"])


def _said(section: Node) -> Iterator[str]:
    """What a section says itself; whoever opens or closes it in any way has thought of that."""
    for child in section.children or ():
        yield _word(child)
        if child.name.lower() in ("require", *_GROUPS, "authtype", "allow", "order"):
            yield from ("require", "deny")


def _word(node: Node) -> str:
    name = node.name.lower()
    if name in _GROUPS:
        return "require"
    return f"{name} {node.args[0].lower()}" if name in _BY_NAME and node.args else name


def _shown(node: Node) -> str:
    return " ".join((node.name, *node.args[: 2 if node.name.lower() not in _BY_NAME else 1]))
