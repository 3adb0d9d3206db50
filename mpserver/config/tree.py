"""The configuration as read: a tree of directives, each with its place."""

from __future__ import annotations

from mpserver.typing import NamedTuple

#: The tree as plain data, as it crosses to an interpreter (see `to_plain`).
Plain = tuple[str, tuple[str, ...], str, str, int, "tuple[Plain, ...] | None"]


class Node(NamedTuple):
    """One directive or section.

    Sections have ``children`` (maybe empty), directives None. ``raw`` is the text behind the
    name as written (after variables were put in); ``name`` is as written, too: lookups fold case.
    """

    name: str
    args: tuple[str, ...]
    raw: str
    file: str
    line: int
    children: tuple[Node, ...] | None = None


Tree = tuple[Node, ...]


def to_plain(tree: Tree) -> tuple[Plain, ...]:
    """The tree as nested plain tuples, which ``marshal`` takes."""
    return tuple(
        (n.name, n.args, n.raw, n.file, n.line, None if n.children is None else to_plain(n.children)) for n in tree
    )


def from_plain(plain: tuple[Plain, ...]) -> Tree:
    """The inverse of `to_plain`."""
    return tuple(
        Node(name, args, raw, file, line, None if children is None else from_plain(children))
        for name, args, raw, file, line, children in plain
    )


def is_host(node: Node) -> bool:
    """Whether a node is a VirtualHost section."""
    return node.children is not None and node.name.lower() == "virtualhost"
