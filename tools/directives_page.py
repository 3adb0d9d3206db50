"""The page docs/directives.md: every directive with its syntax, default, contexts and an example."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import made_page
import modules_page

from mpserver.config.compiler import check_args
from mpserver.config.configuration import load
from mpserver.config.lexer import words
from mpserver.config.registry import Call, Directive, Registry, Section, Where, short
from mpserver.config.settings import Conf, Setting
from mpserver.errors import ConfigError, ConfigErrors
from mpserver.modules import all as modules

ROOT = made_page.ROOT
PAGE = ROOT / "docs" / "directives.md"
EXAMPLES = ROOT / "tools" / "directive_examples.txt"

HEAD = """\
# Directives

Every directive that the server understands, from A to Z. `tools/directives-page` makes this page from the server's own
tables; do not edit it. What a directive of httpd does is told by httpd's documentation, what one of mod_python does by
its manual; `httpd-modules.md` has them by modules, and tells where this server's own ones are explained.

*Context* is where a directive may stand: *server* is outside sections, *directory* is in `<Directory>`, `<Location>`,
`<Files>` and `<If>`. Behind *.htaccess* is the class that `AllowOverride` must have for that. A default is given where
it is one value.
"""

#: Files that examples name, and that have to be there when a configuration is read.
FILES = ("more.conf", "proxies.txt")

#: Sections that stand in sections only.
INSIDE = ("<Limit>", "<LimitExcept>", "<RequireAll>", "<RequireAny>", "<RequireNone>")

_PLACES = {"s": "server", "v": "virtual host", "d": "directory", "h": ".htaccess"}
#: Defaults whose settings are not as one writes them.
DEFAULTS: Mapping[str, str] = {
    "AccessFileName": ".htaccess", "AcceptPathInfo": "Default", "AddDefaultCharset": "Off", "AllowOverride": "None",
    "AllowOverrideList": "None", "AuthBasicProvider": "file", "AuthDigestProvider": "file", "AuthMerging": "Off",
    "DirectoryIndex": "index.html", "DocumentRoot": "/etc/mpserver/htdocs",
    "ErrorLog": "logs/error_log", "FileETag": "MTime Size", "FallbackResource": "disabled", "LogLevel": "warn",
    "ManagementListen": "None", "MDCertificateAuthority": "letsencrypt", "MDRenewWindow": "33%", "MPM": "prefork",
    "Options": "FollowSymLinks", "ProxyErrorOverride": "Off", "RewriteEngine": "Off", "Satisfy": "All",
    "SSLEngine": "Off", "TypesConfig": "conf/mime.types", "MultiviewsMatch": "NegotiatedOnly",
    "IndexOrderDefault": "Ascending Name", "ServerAdmin": "", "SSLProtocol": "-all +TLSv1.2 +TLSv1.3",
}  # fmt: skip


class Example(NamedTuple):
    """Lines of a configuration, the directive that they show, and whether it is refused."""

    name: str
    text: str
    refused: bool


def examples() -> dict[str, Example]:
    """The examples by directive. :raises ValueError: one has two."""
    found: dict[str, Example] = {}
    for line in EXAMPLES.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        refused, line = line.startswith("!"), line.removeprefix("!")
        name, text = "", line
        if line.startswith("@"):
            name, _, text = line[1:].partition(" ")
        else:
            name = re.split(r"[\s>]|\\n", line, maxsplit=1)[0]
        name = f"{name.rstrip('>')}>" if name.startswith("<") else name
        if name in found:
            raise ValueError(f"{EXAMPLES.name}: {name} has two examples")
        found[name] = Example(name, text.replace("\\n", "\n"), refused)
    return found


class Told(NamedTuple):
    """What is told of a directive: the letters of its places, its class of AllowOverride, arguments and modules."""

    places: str
    override: str
    arguments: str
    modules: tuple[str, ...]
    directive: Directive | None


@cache
def registry() -> Registry:
    """All directives with their modules: made once, for it is asked for with each example."""
    return modules.registry()


@cache
def directives() -> Mapping[str, Told]:
    """All directives by name."""
    found: dict[str, Told] = {}
    mpms = {module.source for module in registry().mpms}
    for module in registry().built_in:
        title = f"mpm_{short(module)}" if module.source in mpms else module.source.removesuffix(".c")
        for name, places in modules_page.READ.get(module.source, ()):
            found[name] = Told(places, "any" if "h" in places else "", "", (title,), None)
        for directive in module.directives:
            name = f"{directive.name}>" if directive.name.startswith("<") else directive.name
            others = found[name].modules if name in found else ()
            found[name] = Told(*modules_page.told(directive), (*others, title), directive)
    return found


def page() -> str:
    """The text of the page."""
    given = examples()
    parts = [HEAD]
    for name, told in sorted(directives().items(), key=lambda item: item[0].strip("<>").lower()):
        parts.append(_entry(name, told, given[name]) if name in given else f"## {name}\n")
    return "\n".join(parts)


def _entry(name: str, told: Told, example: Example) -> str:
    lines = [f"## {name}\n" if name[0] != "<" else f"## `{name}`\n"]
    if told.arguments:
        lines.append(f"- Arguments: {modules_page.as_text(told.arguments)}")
    default = default_of(name, told, example)
    if default:
        lines.append(f"- Default: `{default}`")
    places = [_PLACES[letter] for letter in told.places]
    if told.override:
        places[-1] += f" ({told.override})"
    lines.append(f"- Context: {', '.join(places)}")
    lines.append(f"- Module: {', '.join(told.modules)}\n")
    if example.refused:
        lines.append(f"Refused: {modules_page.as_text(refusal(name, told, example) or '')}\n")
    else:
        lines.append(f"```apache\n{example.text}\n```\n")
    return "\n".join(lines)


# ---- defaults


def default_of(name: str, told: Told, example: Example) -> str:
    """The default of the one setting that a directive gives its value, as one writes it; "" where there is none such.

    It is one only if to write it changes nothing.
    """
    if told.directive is None or name[0] == "<" or example.refused:
        return ""
    line = next((line for line in example.text.splitlines() if line.split()[0] == name), "")
    settings = list(said(told, line.strip().partition(" ")[2]))
    if name in DEFAULTS:
        return DEFAULTS[name]
    if len(settings) != 1:
        return ""
    for text in _written(settings[0].default):
        if said(told, text) == {settings[0]: settings[0].default}:
            return text
    return ""


def said(told: Told, raw: str) -> dict[Setting[Any], Any]:
    """The settings that a directive with these arguments has given values; none where it refuses them."""
    directive = told.directive
    assert directive is not None
    conf, server, inside = Conf(), Conf(), "s" not in told.places
    call = Call(
        directive.name, words(raw), raw, "example.conf", 1, conf, server, Where.DIRECTORY if inside else Where.SERVER,
        Section("Location", "/") if inside else None, "/etc/mpserver", {}, registry(), [],
    )  # fmt: skip
    try:
        call.args = check_args(directive, call.args)
        directive.apply(call)
    except ConfigError:
        return {}
    return {**conf.values, **server.values}


def _written(value: Any) -> Iterator[str]:
    """How a value may be written."""
    match value:
        case bool():
            yield "On" if value else "Off"
        case int() | float():
            for letter, size in (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
                if value and value % size == 0:
                    yield f"{value // size:g}{letter}"
            yield f"{value:g}" if value < 1e5 else f"{value:.0f}"
        case str():
            yield value if value and " " not in value else f'"{value}"'
    yield from ("Off", "None")


# ---- checking


def refusal(name: str, told: Told, example: Example) -> str | None:
    """Why an example is refused; None: it is taken."""
    text = example.text
    starts_itself = text.startswith(("MPM ", "<")) and name not in INSIDE
    if "s" not in told.places and not starts_itself:
        text = f"<Directory /srv>\n{text}\n</Directory>"
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "example.conf")
        # (folders and files that it names are there)
        Path(file).write_text(text.replace("/srv/site", folder) + "\n")
        for found in FILES:
            Path(folder, found).touch()
        try:
            load(file, registry(), root=folder)
        except ConfigErrors as errors:
            return errors.errors[0].message
    return None


def faults() -> Iterator[str]:
    """What of the table of examples is not right."""
    given, all_of_them = examples(), directives()
    yield from (f"{EXAMPLES.name} lacks an example of {name}" for name in all_of_them if name not in given)
    yield from (f"{EXAMPLES.name} has {name}, which is no directive" for name in given if name not in all_of_them)


def main() -> int:
    """Write the page, or check it. :returns: the exit status."""
    return made_page.command(__doc__, "tools/directives-page", PAGE, page, faults())
