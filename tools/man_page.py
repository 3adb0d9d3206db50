"""docs/mpserver.1, the manual page of the command, and docs/command-line.md, the same for the site: of its tables."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from modules_page import as_text

from mpserver.cli import check_app, completion, import_unit, new, option_table, serve
from mpserver.cli.info import CONFIG_FILE
from mpserver.modules.core import DEFAULT_ROOT

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "mpserver.1"
MARKDOWN = ROOT / "docs" / "command-line.md"
#: The commands that tell what they take by a parser.
PARSERS = (serve.parser, new.parser, check_app.parser, import_unit.parser)

HEAD = """\
# The command line

What `mpserver` takes, as its manual page has it (`man mpserver`). `tools/man-page` makes both from the command's own
tables; do not edit this page. `python -m mpserver` is the same command.

    mpserver [option ...]     reads a configuration in the language of Apache httpd, and starts a server with it
    mpserver COMMAND ...      does something else

The short options are httpd's. The exit status is 0, or 1 where something went wrong, which is told on standard error.
"""

FILES = {
    "mpserver.conf": "In the current folder: the configuration that is read where none is named.",
    f"{DEFAULT_ROOT}/{CONFIG_FILE}": "The configuration that is read where there is no such file.",
}


def escaped(text: str) -> str:
    """A text as it stands in a line of roff: hyphens are those that can be copied."""
    made = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + made if made.startswith((".", "'")) else made


def page() -> str:
    """The page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield '.\\" Written by tools/man-page.'
    yield '.TH MPSERVER 1 "" "mpserver"'
    yield from (".SH NAME", "mpserver \\- serve applications as Apache with mod_python does")
    yield from (".SH SYNOPSIS", ".B mpserver", "[\\fIoption\\fR ...]", ".br", ".B mpserver", "\\fIcommand\\fR ...")
    yield from (
        ".SH DESCRIPTION",
        "Reads a configuration in the language of Apache httpd, and starts a server with it.",
    )
    yield from ("Every application has an interpreter of its own.", ".SH OPTIONS")
    for option in option_table.options(f"{DEFAULT_ROOT}/{CONFIG_FILE}"):
        names = ", ".join(f"\\fB{escaped(name)}\\fR" for name in (option.short, option.long) if name)
        yield from _entry(f"{names} \\fI{option.takes}\\fR" if option.takes else names, option.help)
        for name, text in option_table.NAMED.get(option.short, {}).items():
            yield from _entry(f"\\fB{escaped(f'{option.short} {name}')}\\fR", text)
    yield ".SH COMMANDS"
    for name, (takes, text) in option_table.COMMANDS.items():
        yield from _entry(f"\\fB{escaped(name)}\\fR \\fI{escaped(takes.lower())}\\fR", text)
    for parser in (serve.parser(), new.parser()):
        yield f'.SS "{escaped(parser.prog)}"'
        for action in parser._actions:  # noqa: SLF001  (argparse shows what it has by its help alone)
            names = ", ".join(f"\\fB{escaped(name)}\\fR" for name in action.option_strings)
            takes = f" \\fI{action.metavar}\\fR" if action.metavar else ""
            yield from _entry(names + takes or f"\\fI{action.dest}\\fR", (action.help or "") % vars(action))
    yield from (".SH COMPLETION", "It takes the extra completion: pip install \\(aqmpserver[completion]\\(aq.")
    for shell, line in completion.SHELLS.items():
        yield from _entry(shell, line)
    yield ".SH FILES"
    for name, text in FILES.items():
        yield from _entry(f"\\fI{escaped(name)}\\fR", text)
    yield from (".SH EXIT STATUS", "0, or 1 where something went wrong, which is told on standard error.")


def _entry(names: str, text: str) -> Iterator[str]:
    yield from (".TP", names, escaped(text))


def markdown() -> str:
    """The page of the site."""
    return "\n".join(_markdown()) + "\n"


def _markdown() -> Iterator[str]:
    yield HEAD
    yield "## Options\n\n| option | what it does |\n| --- | --- |"
    for option in option_table.options(f"{DEFAULT_ROOT}/{CONFIG_FILE}"):
        names = ", ".join(
            f"`{name}{f' {option.takes}' if option.takes else ''}`" for name in (option.short, option.long) if name
        )
        yield f"| {names} | {as_text(option.help)} |"
        for name, text in option_table.NAMED.get(option.short, {}).items():
            yield f"| `{option.short} {name}` | {as_text(text)} |"
    yield "\n## Commands\n\n| command | what it does |\n| --- | --- |"
    for name, (takes, text) in option_table.COMMANDS.items():
        yield f"| `mpserver {name} {takes}` | {text} |"
    for parser in (make() for make in PARSERS):
        yield f"\n### {parser.prog}\n\n| | |\n| --- | --- |"
        for action in parser._actions:  # noqa: SLF001  (as above)
            names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{action.dest.upper()}`"
            takes = f" *{action.metavar}*" if action.metavar else ""
            yield f"| {names}{takes} | {as_text((action.help or '') % vars(action))} |"
    yield "\n## Completion\n\nIt takes the extra `completion`: `pip install 'mpserver[completion]'`.\n"
    for shell, line in completion.SHELLS.items():
        yield f"- {shell}: `{line}`"
    yield "\n## Files\n"
    for name, text in FILES.items():
        yield f"- `{name}`: {text}"


def main() -> int:
    """The command. :returns: 0, or 1 where a page is not what this writes."""
    parser = argparse.ArgumentParser("tools/man-page", description="Write docs/mpserver.1 and docs/command-line.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; tell whether it is what would be written")
    options = parser.parse_args()
    stale = [file for file, text in ((PAGE, page()), (MARKDOWN, markdown())) if not _is(file, text, options.check)]
    for file in stale:
        print(f"{file.relative_to(ROOT)} is not what tools/man-page writes: run it")
    return int(bool(stale))


def _is(file: Path, text: str, only_look: bool) -> bool:
    """Whether a file has this text: now, where we are to write it."""
    if not only_look:
        file.write_text(text)
    return file.exists() and file.read_text() == text
