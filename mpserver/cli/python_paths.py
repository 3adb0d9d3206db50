"""The folders that a PythonPath names as they are; what it works out, interpreters alone know."""

from __future__ import annotations

import ast


def literal(path: str) -> list[str]:
    """The entries of a list in the expression that are texts, in order: not the pieces of what it puts together.

    An expression that can't be read has none: that is told as a fault.
    """
    try:
        tree = ast.parse(path.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return []
    lists = [node for node in ast.walk(tree) if isinstance(node, ast.List | ast.Tuple)]
    found = [one for node in lists for one in node.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return [str(one.value) for one in sorted(found, key=lambda one: (one.lineno, one.col_offset))]
