"""The page docs/httpd-modules.md: which modules of httpd are here, with their directives, and which are not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import made_page

from mpserver.config import conditional_sections, foreign_modules, reader
from mpserver.config.override import Override
from mpserver.config.registry import Args, Directive, Module, Where, short
from mpserver.config.section_kinds import SECTIONS
from mpserver.modules import all as modules
from mpserver.modules.known import Known

ROOT = made_page.ROOT
PAGE = ROOT / "docs" / "httpd-modules.md"
MODULES = ROOT / "mpserver" / "modules"

HEAD = """\
# Modules of httpd

Which modules of httpd are here, what each of them understands, and which are not here. `tools/modules-page` makes this
page from the server's own tables; do not edit it. `mpserver -L` tells the same directives in httpd's form.

All modules are built in: `LoadModule` is not needed, and harmless. What a directive does is told by httpd's
documentation, of the Python directives by the manual of mod_python; those of this server alone stand in
`docs/interpreters.md` (`PythonInterp...`, `PythonVirtualEnv`, `PythonExecutable`, `PythonRequestTimeout`) and in
`README.md` (`SourceProtection`), `docs/slow-clients.md` (`RequestBody...`, `Response...`, `SlowClient...`) and
`docs/traces.md` (`Trace...`).

Where a directive may stand: **s** outside sections, **v** in a virtual host, **d** in sections such as `<Directory>`,
`<Location>`, `<Files>` and `<If>`, **h** in `.htaccess` files. The class is the one that `AllowOverride` must have for
that; "any" is content with each of them. Some directives are taken only as far as they mean something here: what
can't be done is an error that says so, and what need not be done a warning.
"""

REFUSED = """\
## Refused

A `LoadModule` of one of these is an error, for without it what it guards would be open. So is one of any module that
stands nowhere on this page.
"""

#: What is read with the file and becomes no directive of a module: by the source of httpd's module that has it.
READ: Mapping[str, tuple[tuple[str, str], ...]] = {
    "core.c": (
        ("<VirtualHost>", "s"),
        *((f"<{name}>", "sv") for name in ("Directory", "DirectoryMatch", "Location", "LocationMatch")),
        *((f"<{name}>", "svdh") for name in ("Files", "FilesMatch", "If", "ElseIf", "Else")),
        *((f"<{name}>", "svdh") for name in ("IfDefine", "IfDirective", "IfFile", "IfModule", "IfSection")),
        *((name, "svd") for name in ("Define", "UnDefine", "Include", "IncludeOptional", "Error")),
    ),
    "mod_so.c": (("LoadModule", "sv"),),
    "mod_macro.c": (("<Macro>", "svd"), ("Use", "svd"), ("UndefMacro", "svd")),
    "mod_version.c": (("<IfVersion>", "svdh"),),
    "mod_proxy.c": (("<Proxy>", "sv"), ("<ProxyMatch>", "sv")),
}

#: What an MPM does: one of them counts, by ``MPM`` or LoadModule.
MPMS = {
    "prefork": "Processes; one request at a time in each interpreter (the default)",
    "worker": "Processes with threads; several requests at a time in each interpreter",
    "event": "Taken for worker, whose idle connections take no thread either",
}

#: A line of the table of modules, whose comment says what one without a folder is.
_LINE = re.compile(r'^ +Known\("(?P<source>[^"]+)".*\),(?: +# (?P<comment>.+))?$', re.MULTILINE)
_LETTERS = ((Where.SERVER, "s"), (Where.VHOST, "v"), (Where.DIRECTORY, "d"), (Where.HTACCESS, "h"))
_CLASSES = ((Override.AUTHCONFIG, "AuthConfig"), (Override.FILEINFO, "FileInfo"), (Override.INDEXES, "Indexes"),
            (Override.LIMIT, "Limit"), (Override.OPTIONS, "Options"))  # fmt: skip


def page() -> str:
    """The text of the page."""
    registry = modules.registry()
    mpms = {module.source for module in registry.mpms}
    known = {line.source: line for line in modules.TABLE}
    about = {match["source"]: match["comment"] or "" for match in _LINE.finditer((MODULES / "all.py").read_text())}
    parts = [HEAD, "## Here\n"]
    for module in registry.built_in:
        if module.source in mpms:
            parts.append(_module(module, f"MPM {short(module)}", MPMS[short(module)], None))
        else:
            line = known[module.source]
            text = _summary(MODULES / line.folder / "__init__.py") if line.folder else about[module.source]
            parts.append(_module(module, module.source.removesuffix(".c"), text, line))
    parts.append("## Not here, and not missed\n\nA `LoadModule` of one of these is a warning at the start.\n")
    parts.append(_foreign(foreign_modules.HARMLESS, "what that means"))
    parts.append(REFUSED)
    parts.append(_foreign(foreign_modules.GUARDS, "without it"))
    return "\n".join(parts)


def _summary(file: Path) -> str:
    """The first sentence of a module's docstring, in the page's markup."""
    text = (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]
    return text.replace("``", "`")


def _module(module: Module, title: str, text: str, line: Known | None) -> str:
    """A module with what it has."""
    said = [f"### {title}\n", f"`{module.name}`. {_sentence(text)}"]
    handlers = [name for name in line.handlers if name[0].isalpha() and not name.startswith("httpd/")] if line else []
    if handlers:
        said.append(f"Handlers: {_list(handlers)}.")
    if line is not None and line.filters:
        said.append(f"Filters: {_list(name.upper() for name in line.filters)}.")
    out = [said[0], " ".join(said[1:]) + "\n"]
    read = READ.get(module.source, ())
    rows = [f"| `{name}` | {places} | {'any' if 'h' in places else ''} | |" for name, places in read]
    rows += [_row(directive) for directive in module.directives]
    if rows:
        out += ["| directive | where | class | arguments |\n| --- | --- | --- | --- |", *rows, ""]
    return "\n".join(out)


def _sentence(text: str) -> str:
    """A comment or a first line as a sentence; names that are written small stay so."""
    small = text.startswith("httpd") or not text.partition(" ")[0].rstrip(":,").isalpha()
    return (text[:1] if small else text[:1].upper()) + text[1:] + ("" if text.endswith(".") else ".")


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def told(directive: Directive) -> tuple[str, str, str]:
    """Of a directive the letters of where it may stand, its class of AllowOverride, and its arguments in words."""
    where = "".join(letter for place, letter in _LETTERS if place in directive.where)
    given = {Args.FLAG: "On or Off", Args.RAW: ""}.get(directive.args, directive.args.value)
    arguments = directive.help if directive.help.startswith(given) else ": ".join(filter(None, (given, directive.help)))
    return where, _class(directive), arguments


def as_text(words: str) -> str:
    """What markup would take for its own is written as text."""
    return re.sub(r"([|<>*_`\\\[\]])", r"\\\1", words)


def marked(words: str) -> str:
    """The same, but for what stands between grave accents, which stays so."""
    parts = words.split("`")
    return "`".join(part.replace("|", r"\|") if odd % 2 else as_text(part) for odd, part in enumerate(parts))


def _row(directive: Directive) -> str:
    name = f"{directive.name}>" if directive.name.startswith("<") else directive.name
    where, override, arguments = told(directive)
    return f"| `{name}` | {where} | {override} | {as_text(arguments)} |"


def _class(directive: Directive) -> str:
    if Where.HTACCESS not in directive.where:
        return ""
    if directive.override in (Override.ALL, Override.NONE):
        return "any"
    return " or ".join(name for override, name in _CLASSES if directive.override & override)


def _foreign(table: Mapping[str, str], heading: str) -> str:
    """The modules of a table by what is said of them."""
    found: dict[str, list[str]] = {}
    for name, text in table.items():
        found.setdefault(text, []).append(f"{name}_module")
    rows = (f"| {_list(sorted(names))} | {text} |" for text, names in found.items())
    return f"| modules | {heading} |\n| --- | --- |\n" + "\n".join(rows) + "\n"


def faults() -> Iterator[str]:
    """What the page could not tell right, whatever stands on it."""
    listed = [name.lower() for names in READ.values() for name, _places in names]
    registry = modules.registry()
    sections = {*SECTIONS, *conditional_sections.TABLE, "macro"}
    wanted = {f"<{name}>" for name in sections} | (set(reader.DIRECTIVES) - set(registry.directives))
    yield from (f"READ lacks {name}, which is read with the file" for name in sorted(wanted - set(listed)))
    yield from (f"READ has {name}, which nobody reads" for name in sorted(set(listed) - wanted))
    for module in registry.built_in:
        name = module.name.removesuffix("_module")
        if foreign_modules.lack(module.name) is not None:
            yield f"{name} is here, and in mpserver/config/foreign_modules.py"
    both = set(foreign_modules.HARMLESS) & set(foreign_modules.GUARDS)
    yield from (f"{name} can't be harmless and guard something" for name in sorted(both))
    about = {match["source"]: match["comment"] for match in _LINE.finditer((MODULES / "all.py").read_text())}
    for line in modules.TABLE:
        if not line.folder and not about.get(line.source):
            yield f"{line.source} has no folder, and no comment in mpserver/modules/all.py says what it is"


def main() -> int:
    """Write the page, or check it. :returns: the exit status."""
    return made_page.command(__doc__, "tools/modules-page", PAGE, page, faults())
