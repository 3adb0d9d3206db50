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
from mpserver.config.registry import Args, Call, Directive, Registry, Section, Where, short
from mpserver.config.settings import Conf, Setting
from mpserver.errors import ConfigError, ConfigErrors
from mpserver.modules import all as modules

ROOT = made_page.ROOT
PAGE = ROOT / "docs" / "directives.md"
EXAMPLES = ROOT / "tools" / "directive_examples.txt"
SENTENCES = ROOT / "tools" / "directive_sentences.txt"

HEAD = """\
# Directives

Every directive that the server understands, from A to Z. `tools/directives-page` makes this page from the server's own
tables, with the sentences and examples of `tools/directive_sentences.txt` and `tools/directive_examples.txt`; do not
edit it. All that a directive of httpd does is told by httpd's documentation, of one of mod_python by its manual;
`httpd-modules.md` has them by modules, and tells where this server's own ones are explained.

In a syntax words in capitals stand for what one writes, [...] may be left out, a|b is one of both, and ... is more of
the last.

*Context* is where a directive may stand: *server* is outside sections, *directory* is in `<Directory>`, `<Location>`,
`<Files>` and `<If>`. *Override* is the class that `AllowOverride` must have for `.htaccess` files.
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


class Sentence(NamedTuple):
    """A directive's syntax, what it does, and its default where the tables show none."""

    syntax: str
    text: str
    default: str


@cache
def sentences() -> Mapping[str, Sentence]:
    """The sentences by directive. :raises ValueError: one has two, or a line has other parts."""
    found: dict[str, Sentence] = {}
    for line in SENTENCES.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        parts = line.split(" -- ")
        name = parts[0].split()[0].rstrip(">")
        name = f"{name}>" if name.startswith("<") else name
        if name in found or len(parts) not in (2, 3):
            raise ValueError(f"{SENTENCES.name}: {name} once, with its syntax, a sentence and maybe a default")
        found[name] = Sentence(parts[0], parts[1], parts[2] if len(parts) == 3 else "")
    return found


#: How many arguments there may be, by what a directive takes; a directive that is not here reads its line itself.
_COUNTS: Mapping[Args, tuple[int, int]] = {
    Args.NONE: (0, 0), Args.FLAG: (1, 1), Args.TAKE1: (1, 1), Args.TAKE2: (2, 2), Args.TAKE3: (3, 3),
    Args.TAKE12: (1, 2), Args.TAKE13: (1, 3), Args.TAKE23: (2, 3), Args.TAKE123: (1, 3), Args.ITERATE: (1, 99),
    Args.ITERATE2: (2, 99),
}  # fmt: skip


def misfit(syntax: str, directive: Directive | None) -> str:
    """What of a syntax contradicts what the directive takes; "" if nothing does."""
    count = _COUNTS.get(directive.args) if directive is not None else None
    if directive is None or count is None:
        return ""
    words = syntax.rstrip(">").split()[1:]
    most = 99 if "..." in syntax else len(words)
    least = sum(not word.startswith("[") or not word.endswith("]") for word in words)
    if directive.args is Args.FLAG and words != ["On|Off"]:
        return "it takes On or Off"
    return "" if most == count[1] and least <= max(count[0], 1) else f"it takes {directive.args.value}"


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
        whole = name in given and name in sentences()
        parts.append(_entry(name, told, given[name], sentences()[name]) if whole else f"## {name}\n")
    return "\n".join(parts)


def _entry(name: str, told: Told, example: Example, sentence: Sentence) -> str:
    lines = [f"## {name}\n" if name[0] != "<" else f"## `{name}`\n", f"{modules_page.marked(sentence.text)}\n"]
    lines.append(f"- Syntax: `{sentence.syntax}`")
    if told.arguments:
        lines.append(f"- Arguments: {modules_page.as_text(told.arguments)}")
    default = default_of(name, told, example) or sentence.default
    in_words = default.startswith("(") and default.endswith(")") and default != "(none)"
    lines.append(f"- Default: {default[1:-1] if in_words else f'`{default}`' if default else 'none'}")
    lines.append(f"- Context: {', '.join(_PLACES[letter] for letter in told.places)}")
    lines.append(f"- Override: {told.override or 'none: not in .htaccess files'}")
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
    its = sentences()
    yield from (f"{SENTENCES.name} lacks a sentence on {name}" for name in all_of_them if name not in its)
    yield from (f"{SENTENCES.name} has {name}, which is no directive" for name in its if name not in all_of_them)
    for name, told in all_of_them.items():
        fault = misfit(its[name].syntax, told.directive) if name in its else ""
        if fault:
            yield f"{SENTENCES.name}: the syntax of {name}: {fault}"


def main() -> int:
    """Write the page, or check it. :returns: the exit status."""
    return made_page.command(__doc__, "tools/directives-page", PAGE, page, faults())
