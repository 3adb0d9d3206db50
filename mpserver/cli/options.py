"""The command line: httpd's options (httpd(8))."""

from __future__ import annotations

import getopt
import os
import re
from collections.abc import Sequence

from mpserver import alike, lazyre
from mpserver.api import error_log
from mpserver.cli import option_table
from mpserver.errors import UsageError
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.supervisor.succession import Succession

#: What the configuration is called that is found in the folder where the command is given.
SITE_FILE = "mpserver.conf"

#: How long --profile looks, in seconds.
_SECONDS = lazyre.compile(r"(?!0*\.?0*\Z)\d{1,6}(\.\d{1,6})?\Z", re.ASCII)

#: What `serve` takes for an application: module:object, module:make().
_APPLICATION = lazyre.compile(r"[\w.]+:[\w.]+(\(\))?\Z")

#: Options that print something, and nothing else happens.
_PRINTING = ("-v", "-V", "-l", "-L", "-h", "-?", "--print-unit", "--print-logrotate")

#: Options that stand for other ones.
_SHORTCUTS: dict[str, tuple[tuple[str, str], ...]] = {
    "-S": (("-t", ""), ("-D", "DUMP_VHOSTS"), ("-D", "DUMP_RUN_CFG")),
    "-M": (("-t", ""), ("-D", "DUMP_MODULES")),
    "-X": (("-D", "DEBUG"),),
}


class Options(NamedTuple):
    """The command line, understood.

    ``level``: startup messages up to it are shown. ``named``: -f or -d says where the configuration is.
    """

    file: str
    root: str
    defines: dict[str, str]
    before: tuple[str, ...]
    after: tuple[str, ...]
    command: str
    test: bool
    checks: bool
    show: str
    level: int
    messages: str
    status: bool
    json: bool
    recycle: str
    stacks: str
    #: The interpreter of --profile, for how many seconds, and the file for a flame graph.
    profile: str
    seconds: float
    flamegraph: str
    trace: str
    top: bool
    once: bool
    wait: bool
    user: bool
    named: bool
    load: bool
    #: Where -f looked first, and found nothing; "": nowhere else.
    sought: str = ""
    #: Whose place the server is to take, where that one has started it.
    succession: Succession | None = None
    #: The terminal was told already where the server serves.
    told: bool = False

    @property
    def begins(self) -> bool:
        """Whether it is to start a server, or to tell whether it would: who only ends one needs to read nothing."""
        return self.command not in ("stop", "graceful-stop", "reopen") and not (
            self.status or self.recycle or self.stacks or self.profile or self.trace or self.top
        )

    @property
    def one_process(self) -> bool:
        """-X, -D ONE_PROCESS."""
        return "DEBUG" in self.defines or "ONE_PROCESS" in self.defines


def meant(word: str) -> str:
    """The question, for the end of a message, what was meant by a word that is no command; "" where nobody knows."""
    if word.endswith(".conf"):
        return alike.question(f"-f {word}")
    if os.path.exists(word) or _APPLICATION.match(word):
        return alike.question(f"mpserver serve {word}")
    return alike.asked(word, option_table.COMMANDS)


def parse(arguments: Sequence[str]) -> Options:
    """Understand the command line.

    :raises UsageError: it holds what we don't know.
    """
    from mpserver.cli.info import CONFIG_FILE
    from mpserver.modules.core import DEFAULT_ROOT

    table = option_table.options("")
    short = "".join(f"{option.short[1:]}{':' if option.takes else ''}" for option in table if option.short)
    long = [f"{option.long[2:]}{'=' if option.takes else ''}" for option in table]
    try:
        found, rest = getopt.getopt(list(arguments), short + "?", long)
        seconds = ""
        if rest and found and found[-1][0] == "--profile":  # (it takes a second word)
            seconds = rest[0]
            more, rest = getopt.getopt(rest[1:], short + "?", long)
            found += more
    except getopt.GetoptError as error:
        words = [option.long[2:] for option in table if len(error.opt) > 1]
        near = alike.asked(error.opt, words, shown="--{}".format)
        raise UsageError(f"illegal option -- {error.opt}{near}") from error
    if rest:
        raise UsageError(f"illegal argument -- {rest[0]}{meant(rest[0])}")
    names = {option.long: option.short for option in table if option.short}
    given = [(names.get(option, option), value) for option, value in found]
    pairs = [pair for option, value in given for pair in _SHORTCUTS.get(option, ((option, value),))]
    last = dict(pairs)
    command, level = last.get("-k", "start"), last.get("-e", "warn").lower()
    if command not in option_table.SIGNALS:
        near = alike.asked(command, option_table.SIGNALS)
        raise UsageError(f"illegal option -- k: {command} is none of {', '.join(option_table.SIGNALS)}{near}")
    if level not in error_log.LEVELS:
        raise UsageError("illegal option -- e")
    if "--json" in last and "--status" not in last:
        raise UsageError("illegal option -- json goes with --status")
    if "--once" in last and "--top" not in last:
        raise UsageError("illegal option -- once goes with --top")
    if "--user" in last and "--print-unit" not in last:
        raise UsageError("illegal option -- user goes with --print-unit")
    if "--no-wait" in last and command != "graceful":
        raise UsageError("illegal option -- no-wait goes with -k graceful")
    if "--load" in last and "-t" not in last and command != "start":
        raise UsageError("illegal option -- load goes with -t, or with a start")
    if "--flamegraph" in last and "--profile" not in last:
        raise UsageError("illegal option -- flamegraph goes with --profile")
    if "--profile" in last and not (last["--profile"] and _SECONDS.match(seconds)):
        raise UsageError("illegal option -- profile needs an interpreter and seconds, as in --profile localhost 10")
    if last.get("--trace") == "":
        raise UsageError("illegal option -- trace needs a URL")
    if last.get("--recycle") == "":
        raise UsageError("illegal option -- recycle needs the name of an interpreter, or all")
    if last.get("--stacks") == "":
        raise UsageError("illegal option -- stacks needs the name of an interpreter")
    root, file = last.get("-d"), last.get("-f")
    named = root is not None or file is not None
    if not named and os.path.exists(SITE_FILE):
        file = SITE_FILE
    sought = ""
    if file is None:
        file = CONFIG_FILE
    elif root is None and not os.path.exists(file):
        sought = "" if os.path.isabs(file) else os.path.abspath(file)
    elif root is None:
        # Without -d a file is looked for where we are, and its folder is the ServerRoot to begin with.
        file = os.path.abspath(file)
        root = os.path.dirname(file)
    root = os.path.abspath(root or DEFAULT_ROOT)
    return Options(
        file=os.path.join(root, file),
        root=root,
        defines={value: "" for option, value in pairs if option == "-D"},
        before=(f'ServerRoot "{root}"', *(value for option, value in pairs if option == "-C")),
        after=tuple(value for option, value in pairs if option == "-c"),
        command=command,
        test="-t" in last,
        checks="-T" not in last,
        show=next((option for option, _ in pairs if option in _PRINTING), ""),
        level=error_log.LEVELS[level],
        messages=last.get("-E", ""),
        status="--status" in last,
        json="--json" in last,
        recycle=last.get("--recycle", ""),
        stacks=last.get("--stacks", ""),
        profile=last.get("--profile", ""),
        seconds=float(seconds or 0),
        flamegraph=last.get("--flamegraph", ""),
        trace=last.get("--trace", ""),
        top="--top" in last,
        once="--once" in last,
        wait="--no-wait" not in last,
        user="--user" in last,
        named=named,
        load="--load" in last,
        sought=sought,
    )
