"""``mpserver completion SHELL``: what completes the words of the command in a shell."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Mapping, Sequence

from mpserver.cli import check_app, new, option_table, serve

#: What completion is made for, and how it is set up.
SHELLS: Mapping[str, str] = {
    "bash": "mpserver completion bash >~/.local/share/bash-completion/completions/mpserver",
    "zsh": 'mpserver completion zsh >"${fpath[1]}/_mpserver"',
    "fish": "mpserver completion fish >~/.config/fish/completions/mpserver.fish",
}


def main(words: Sequence[str]) -> int:
    """The command. :returns: the exit status."""
    made = argparse.ArgumentParser(
        "mpserver completion",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Print what completes the words of mpserver in a shell. To have it in each new one:\n"
        + "".join(f"  {line}\n" for line in SHELLS.values()),
    )
    made.add_argument("shell", choices=_names(SHELLS))
    shell = made.parse_args(words).shell
    try:
        import shtab
    except ModuleNotFoundError:
        sys.stderr.write("mpserver completion needs shtab: pip install 'mpserver[completion]'\n")
        return 1
    print(shtab.complete(parser(), shell=shell))
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line as argparse has it, for what is made of its description."""
    import shtab

    kinds = {"directory": shtab.DIRECTORY, "FOLDER": shtab.DIRECTORY, "file": shtab.FILE, "FILE": shtab.FILE}
    made = argparse.ArgumentParser("mpserver", add_help=False)
    for option in option_table.options("the installed one"):
        names = [name for name in (option.short, option.long) if name]
        if not option.takes:
            made.add_argument(*names, action="store_true", help=option.help)
            continue
        words = len(option.takes.split())
        added = made.add_argument(
            *names,
            help=option.help,
            choices=_names(option_table.NAMED.get(option.short)),
            nargs=words if words > 1 else None,
        )
        _complete(added, kinds.get(option.takes))
    commands = made.add_subparsers()
    for name, (takes, text) in option_table.COMMANDS.items():
        parent = _PARSERS.get(name)
        if parent is not None:
            its = commands.add_parser(name, help=text, parents=[parent()], add_help=False)
            continue
        its = commands.add_parser(name, help=text, add_help=False)
        added = its.add_argument("words", nargs="*", choices=_names(_CHOICES.get(takes)))
        _complete(added, None if takes in _CHOICES else shtab.FILE)
    return made


def _names(words: Collection[str] | None) -> list[str] | None:
    """Words as the choices of an argument: only of commands these may be a mapping, or it is taken for one."""
    return None if words is None else list(words)


def _complete(action: argparse.Action, how: Mapping[str, object] | None) -> None:
    """Say what a word is completed by, in the way that shtab looks for it."""
    if how is not None:
        vars(action)["complete"] = how


#: By commands: their own descriptions.
_PARSERS: Mapping[str, Callable[[], argparse.ArgumentParser]] = {
    "serve": serve.parser,
    "new": new.parser,
    "check-app": check_app.parser,
}
#: By what commands take: the words that it can be.
_CHOICES: Mapping[str, Collection[str]] = {"SHELL": SHELLS, "COMMAND": option_table.COMMANDS}
