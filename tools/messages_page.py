"""The page docs/messages.md: what the server says when something is wrong, taken from where its source says it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import made_page
import modules_page

from mpserver import errors

ROOT = made_page.ROOT
PAGE = ROOT / "docs" / "messages.md"
SOURCE = ROOT / "mpserver"
CAUSES = ROOT / "tools" / "message_causes.txt"

HEAD = """\
# Messages

What the server says when something is wrong, what brings that about, and what to do. `tools/messages-page` makes this
page from the places in the source that say it, and from `tools/message_causes.txt`; do not edit it. An ellipsis (…)
stands for what differs each time: names, numbers, paths.

Where to look: `mpserver -t` shows what is wrong with a configuration, at the terminal, and so does a start that fails.
What goes wrong later is in the error log. Messages that Apache httpd has, too, are worded as there, some with its
number (AH and five digits).
"""

WARNINGS = """\
## Warnings of the configuration

These let the server start. `-t` and the start show them with the line that they are about.
"""


class Kind(NamedTuple):
    """A kind of error: its heading, what it means, and whether its messages are told by modules."""

    heading: str
    text: str
    by_module: bool = False


#: The kinds by the class of the error, in the order of the page.
KINDS = {
    errors.UsageError: Kind("The command line", "The command ends with status 1, and has done nothing."),
    errors.StartError: Kind(
        "The start", "The server, a worker or an interpreter can't start, or a command does not reach the server."
    ),
    errors.ConfigError: Kind(
        "The configuration",
        'A fault begins with "Syntax error on line … of …", which is the place. All faults are told at once. With one '
        "the server does not start, and a graceful restart changes nothing; in a `.htaccess` file it makes a 500, and "
        "a line of the error log.",
        by_module=True,
    ),
    errors.ExpressionError: Kind(
        "Expressions",
        "Of what stands in `<If>`, `Require expr` and wherever else httpd's expressions are: the configuration's fault "
        "goes on with one of these.",
    ),
    errors.RequestError: Kind(
        "Requests",
        "The client gets the status, and the error log says why, at the level info where that is the client's doing.",
    ),
}  # fmt: skip


class Cause(NamedTuple):
    """What brings a message about, and what to do, each a sentence or two."""

    cause: str
    remedy: str


@cache
def causes() -> Mapping[str, Cause]:
    """The causes by the texts of messages. :raises ValueError: an entry has not three lines, or a text has two."""
    found: dict[str, Cause] = {}
    lines = [line for line in CAUSES.read_text().splitlines() if not line.startswith("# ")]
    for entry in "\n".join(lines).strip("\n").split("\n\n"):
        text, *rest = entry.splitlines()
        if text in found or len(rest) != 2 or not all(line.startswith("  ") for line in rest):
            raise ValueError(f"{CAUSES.name}: {text}: once, and two lines below it")
        found[text] = Cause(*(line.strip() for line in rest))
    return found


class Message(NamedTuple):
    """What is said, and where in the source; ``status``: of a request."""

    text: str
    module: str
    status: str = ""


def classes() -> dict[str, type[BaseException]]:
    """The errors by their names, each with the kind that it is one of."""
    return {
        name: next(kind for kind in KINDS if issubclass(found, kind))
        for name, found in vars(errors).items()
        if isinstance(found, type) and issubclass(found, tuple(KINDS))
    }


def said(node: ast.expr) -> str | None:
    """The text of an expression, with an ellipsis for what is put in; None: it is no text."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr():
            return "".join(said(part) or "…" for part in node.values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            texts = said(left), said(right)
            return None if texts == (None, None) else "".join(text or "…" for text in texts)
    return None


@cache
def messages() -> Mapping[type[BaseException] | None, list[Message]]:
    """What is said, by the kind of error; None: warnings."""
    known = classes()
    found: dict[type[BaseException] | None, list[Message]] = {kind: [] for kind in (*KINDS, None)}
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            match node.func:
                case ast.Name(id=name) if name in known:
                    kind: type[BaseException] | None = known[name]
                case ast.Attribute(value=ast.Name(id="call"), attr="warn"):
                    kind = None
                case _:
                    continue
            first, status = node.args[0], ""
            match node.args:
                case [ast.Constant(value=int(number)), second, *_] if kind is errors.RequestError:
                    first, status = second, str(number)
            text = said(first)
            if text is not None and re.search(r"[a-z]{3}", text):
                found[kind].append(Message(_one_line(text), _module(file), status))
    return found


def _one_line(text: str) -> str:
    """A message in a cell of a table."""
    text = re.sub(r"\s*\n\s*", " / ", text.strip())
    return re.sub(r"(?:…\s*)+…", "…", re.sub(r"^…: (?=[A-Z])", "", text))


def _module(file: Path) -> str:
    """Whose message it is: a module of httpd, or "" for the language of configurations itself."""
    parts = file.relative_to(SOURCE).parts
    return f"mod_{parts[1]}" if parts[0] == "modules" and len(parts) > 2 else ""


def page() -> str:
    """The text of the page."""
    found = messages()
    parts = [HEAD]
    for kind, its in KINDS.items():
        parts.append(f"## {its.heading}\n\n{its.text}\n")
        parts.append(_by_module(found[kind]) if its.by_module else _table(found[kind]))
    parts += [WARNINGS, _by_module(found[None])]
    return "\n".join(parts)


def _by_module(messages: list[Message]) -> str:
    parts = []
    for module in sorted({message.module for message in messages}):
        title = "The language" if not module else module.replace("mod_core", "core").replace("mod_mpm", "The MPMs")
        parts.append(f"### {title}\n\n{_table([message for message in messages if message.module == module])}")
    return "\n".join(parts)


def _table(messages: list[Message]) -> str:
    with_status = any(message.status for message in messages)
    rows = sorted({(message.status, message.text) for message in messages})
    head = ["message", "what brings it about", "what to do"]
    cells = [
        [modules_page.as_text(text), *map(modules_page.marked, causes().get(text, Cause("", "")))]
        for _status, text in rows
    ]
    if with_status:
        head, cells = ["status", *head], [[status, *cell] for (status, _text), cell in zip(rows, cells, strict=True)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *cells))


def faults() -> Iterator[str]:
    """Kinds of errors that nobody raises with a text, and messages without a cause, which would leave places empty."""
    for kind, found in messages().items():
        if not found:
            yield f"nothing in mpserver/ says anything by {kind.__name__ if kind else 'call.warn'}"
    said_here = {message.text for found in messages().values() for message in found}
    yield from (f"{CAUSES.name} lacks the cause of: {text}" for text in sorted(said_here - set(causes())))
    yield from (f"{CAUSES.name} has what nothing says: {text}" for text in sorted(set(causes()) - said_here))


def main() -> int:
    """Write the page, or check it. :returns: the exit status."""
    return made_page.command(__doc__, "tools/messages-page", PAGE, page, faults(), ends=False)
