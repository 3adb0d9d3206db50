"""The page about the server's configuration and modules."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence

from mpserver.api import secrets
from mpserver.api.html_pages import END, beginning, escaped
from mpserver.api.page_style import BASE
from mpserver.modules.all import registry
from mpserver.modules.authn_core.providers import PROVIDERS as AUTHN
from mpserver.modules.authz_core.providers import PROVIDERS as AUTHZ
from mpserver.modules.info import Added
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.api.runtime import Runtime
    from mpserver.config.registry import Module
    from mpserver.config.tree import Node

STYLE = (
    BASE
    + """\
h2{font-size:1.15rem;margin:1.5rem 0 .25rem;border-top:1px solid var(--line);padding-top:.75rem}
h3{font-size:1rem;margin:.75rem 0 0}
dl{display:grid;grid-template-columns:minmax(8rem,16rem) 1fr;gap:.2rem 1rem;margin:.5rem 0}
dt{color:var(--faint)}
dd{margin:0}
pre{overflow-x:auto;white-space:pre-wrap;margin:.25rem 0}
@media(max-width:40rem){dl{display:block}dd{margin:0 0 .5rem}}
"""
)


def pieces(req: Request, lent: Runtime, added: Sequence[Added], query: str) -> Iterator[str]:
    """The page, or the part of it that a query names: config, server, list, providers, or a module's source."""
    yield beginning("Server Information", STYLE)
    known = registry()
    modules = sorted(known.built_in, key=lambda module: module.source)
    tree = lent.configuration_tree
    if not query:
        parts = " ".join(f"<a href='?{part}'>{part}</a>" for part in ("config", "server", "list", "providers"))
        yield f"<p>{parts}</p>\n"
    if query in ("", "server"):
        yield from _server(req, lent)
    if query in ("", "list"):
        yield "<h2>Server Module List</h2>\n<p>"
        yield ", ".join(f"<a href='?{module.source}'>{module.source}</a>" for module in modules)
        yield "</p>\n"
    if query in ("", "providers"):
        yield from _providers()
    if query == "config":
        yield "<h2>Configuration</h2>\n"
        yield from _lines(tree)
    for module in modules:
        if query in ("", module.source):
            yield from _module(module, tree, added)
    yield END


def _server(req: Request, lent: Runtime) -> Iterator[str]:
    host, threads = req.mp_host, lent.threads
    rows = (
        ("Server Version", req.mp_plan.server_software),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("Hostname/port", host.label),
        ("Timeouts", f"connection: {host.timeout:g}, keep-alive: {host.keep_alive_timeout:g}"),
        ("MPM Name", "worker" if threads > 1 else "prefork"),
        ("MPM Information", f"Max Daemons: {lent.scoreboard.slots // 2 or 1}, Threads: {threads}, Forked: yes"),
        ("Server Architecture", platform.machine()),
        ("Server Root", lent.server_root),
    )
    yield "<h2>Server Settings</h2>\n<dl>\n"
    yield "".join(f"<dt>{name}</dt><dd>{escaped(value)}</dd>\n" for name, value in rows)
    yield "</dl>\n"


def _providers() -> Iterator[str]:
    yield "<h2>Providers</h2>\n<dl>\n"
    for name, providers in (("authn", AUTHN), ("authz", {"all": "", **AUTHZ})):
        yield f"<dt>{name}</dt><dd>{', '.join(sorted(providers))}</dd>\n"
    yield "</dl>\n"


def _module(module: Module, tree: Sequence[Node], added: Sequence[Added]) -> Iterator[str]:
    yield f"<h2 id='{module.source}'><a href='?{module.source}'>{module.source}</a> ({module.name})</h2>\n"
    if module.directives:
        yield "<h3>Module Directives</h3>\n<dl>\n"
        for directive in module.directives:
            yield f"<dt><code>{escaped(directive.name)}</code></dt><dd>{escaped(directive.help)}</dd>\n"
        yield "</dl>\n"
        names = frozenset(directive.name.lower() for directive in module.directives)
        lines = "".join(_lines(tree, names))
        yield f"<h3>Current Configuration</h3>\n{lines or '<p>none</p>'}\n"
    texts = [one.text for one in added if one.source == module.source]
    if texts:
        yield "<h3>Additional Information</h3>\n" + "".join(f"<p>{text}</p>\n" for text in texts)


def _lines(tree: Sequence[Node], names: frozenset[str] | None = None) -> Iterator[str]:
    """The lines of the configuration by their files; of some directives alone, with the sections that they are in."""
    file = ""
    for node_file, line, text in _flat(tree, names, 0):
        if node_file != file:
            yield f"{'</pre>' if file else ''}<h3>In file: {escaped(node_file)}</h3>\n<pre>"
            file = node_file
        yield f"{line or '':>5}: {escaped(secrets.shown(text))}\n"
    if file:
        yield "</pre>\n"


def _flat(tree: Sequence[Node], names: frozenset[str] | None, depth: int) -> Iterator[tuple[str, int, str]]:
    for node in tree:
        indented = "  " * depth
        if node.children is None:
            if names is None or node.name.lower() in names:
                yield node.file, node.line, f"{indented}{node.name} {node.raw}"
            continue
        inside = list(_flat(node.children, names, depth + 1))
        if inside or names is None or f"<{node.name.lower()}" in names:
            yield node.file, node.line, f"{indented}<{node.name} {node.raw}>"
            yield from inside
            yield (inside[-1][0] if inside else node.file), 0, f"{indented}</{node.name}>"
