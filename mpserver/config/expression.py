"""An expression of the configuration, as a setting keeps it.

`mpserver.config.expression_grammar` reads it, `mpserver.modules.expressions` makes a function of it.
"""

from __future__ import annotations

from mpserver.typing import Any

#: What was read: a kind, and what that is made of: texts, numbers and trees. Plain data.
Tree = tuple[Any, ...]


class Expression:
    """An expression as it was written, and what was read of it.

    ``ready`` keeps the function that was made of it.
    """

    __slots__ = ("ready", "text", "tree")

    def __init__(self, text: str, tree: Tree) -> None:
        self.text, self.tree = text, tree
        self.ready: Any = None

    def __repr__(self) -> str:
        return f"<Expression {self.text}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and (self.text, self.tree) == (other.text, other.tree)

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def constant(self) -> str | None:
        """The text, where it is the same for all requests."""
        return self.tree[1] if self.tree[0] == "text" else None

    def to_plain(self) -> tuple[Any, ...]:
        """What `from_plain` makes the same of, see `mpserver.config.plain`."""
        return self.text, self.tree

    @classmethod
    def from_plain(cls, text: str, tree: Tree) -> Expression:
        """The inverse of `to_plain`."""
        return cls(text, tree)
