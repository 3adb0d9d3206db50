"""``mpserver check-interp``: which kinds of interpreter the applications of a configuration can have.

Each kind is tried in a process of its own, which is thrown away: it loads the modules that the application
begins with. In subinterpreters it does so twice, and the first one is destroyed before, since some extension
modules load once in a process and never again.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mpserver.api.loader import Loader
from mpserver.api.runtime import lend
from mpserver.application import refused_modules
from mpserver.application.services import InterpreterServices
from mpserver.cli.lacking import lacking
from mpserver.config.finished import Finished
from mpserver.errors import ConfigError, ConfigErrors, InterpreterError, UsageError
from mpserver.interpreters import other_python
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.modules.all import registry
from mpserver.modules.python import load_errors
from mpserver.modules.python.application_errors import DEEDS, describe, headline, refusing
from mpserver.modules.python.environment import PYTHON, Environment
from mpserver.phases import applications
from mpserver.phases.facts import Wanted, modules, variables
from mpserver.phases.pipeline import Pipeline
from mpserver.phases.plan import InterpreterId
from mpserver.phases.plan_compiler import MAIN
from mpserver.phases.survey import finish
from mpserver.serving.boot import Boot, pack, unpack
from mpserver.system import own_imports, subinterpreters
from mpserver.typing import Any, NamedTuple

#: How long a try may take, in seconds.
TRY_AT_MOST = 60.0

#: The kinds to try, and how often each interpreter is made.
KINDS = {"own": 2, "shared": 2, "process": 1}

#: What is told of an application that goes on without a module begins so.
WITHOUT = "but without "

YES, NO, FAILS = "yes", "no", "fails"

#: A module as it is told to the process that tries it: `Wanted`, and what it has to have.
Carried = tuple[str, str | None, str | None, str, tuple[str, ...]]

_USAGE = "Usage: mpserver check-interp [-D name] [-d directory] file\n"


class Outcome(NamedTuple):
    """How a try ended: `YES`, `NO` (a module refuses this kind), `FAILS` (for another reason); and the reason."""

    result: str
    why: str = ""


def main(arguments: Sequence[str]) -> int:
    """The command. :returns: 0, or 1 where an application can have no kind at all, or nothing could be tried."""
    from mpserver.cli import load
    from mpserver.cli.options import parse

    if arguments and arguments[0] in ("-h", "--help"):
        print(_USAGE + "Try which kinds of interpreter each application of a configuration can have.")
        return 0
    if not arguments or arguments[-1].startswith("-"):
        sys.stderr.write(_USAGE)
        return 1
    try:
        options = parse([*arguments[:-1], "-f", arguments[-1]])
        configuration = load.read(options)
    except UsageError as error:
        sys.stderr.write(f"mpserver: {error}\n{_USAGE}")
        return 1
    except (ConfigErrors, ConfigError) as error:
        load.complain(error)
        return 1
    names = applications.names(configuration)
    if not names:
        print("No application is configured: there is no Python handler outside of .htaccess files and patterns.")
    environments = applications.environments(configuration).by_name
    status = 0
    finished = finish(configuration)
    for name in names:
        outcomes = check(finished, name, environments.get(name, ()))
        print(report(name, outcomes), flush=True)
        if not any(outcome.result == YES for outcome in outcomes.values()):
            status = 1
    return status


def check(configuration: Finished, name: str, environment: Environment = ()) -> dict[str, Outcome]:
    """Try the kinds that an application could have."""
    kinds = ("process",) if environment or name == MAIN else tuple(KINDS)
    wanted = modules(configuration, name, environment)
    return {kind: attempt(kind, configuration, name, wanted, environment) for kind in kinds}


def report(name: str, outcomes: dict[str, Outcome]) -> str:
    """What is told about an application."""
    lines = [f"interpreter '{name}'"]
    lines += [f"    {kind:<8} {its.result:<6} {its.why}".rstrip() for kind, its in outcomes.items()]
    if name == MAIN:
        lines[1] = lines[1].replace("process", "main   ", 1)
    elif "own" in outcomes and _unfit(outcomes["own"]) and outcomes["process"].result == YES:
        lines.append("    PythonInterpBackend auto makes it a process by itself, process from the start")
    return "\n".join(lines)


def _unfit(own: Outcome) -> bool:
    """Whether an application does not stay where it was tried."""
    return own.result == NO or own.why.startswith(WITHOUT)


def attempt(
    kind: str, configuration: Finished, name: str, wanted: list[Wanted], environment: Environment = (),
    objects: Mapping[Wanted, Sequence[str]] = MappingProxyType({}),
) -> Outcome:  # fmt: skip
    """Try one kind of interpreter in a process of its own.

    :param objects: what the modules have to have.
    """
    if kind != "process" and not subinterpreters.AVAILABLE:
        return Outcome(NO, f"Python {sys.version_info[0]}.{sys.version_info[1]} has no subinterpreters")
    python = dict(environment).get(PYTHON, sys.executable)
    reader, writer = os.pipe()
    fd = other_python.carry(
        "mpserver.cli.check_interp", writer, kind, name, environment,
        [(*module, tuple(objects.get(module, ()))) for module in wanted], configuration.fd,
    )  # fmt: skip
    other = python != sys.executable
    command = other_python.command(python, fd) if other else [python, "-m", "mpserver.cli.check_interp", str(fd)]
    try:
        child = subprocess.Popen(
            command,
            pass_fds=(fd, writer, configuration.fd),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=other_python.surroundings(python) if other else None,
        )
    except OSError as error:
        os.close(reader)
        return Outcome(FAILS, f"{python} can't be executed: {error.strerror}")
    finally:
        os.close(fd)
        os.close(writer)
    try:
        said = _read(reader)
        child.kill()
        return _outcome(said, child.wait(), KINDS[kind])
    finally:
        os.close(reader)


def _read(reader: int) -> list[tuple[str, str] | None]:
    """What a child tells, until it ends or takes too long: then the last entry is None."""
    until = time.monotonic() + TRY_AT_MOST
    data = b""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    late = False
    while True:
        if not poll.poll(max(until - time.monotonic(), 0) * 1000):
            late = True
            break
        more = os.read(reader, 65536)
        if not more:
            break
        data += more
    told: list[tuple[str, str] | None] = []
    for line in data.splitlines():
        result, why = line.decode("utf-8", "replace").split("\t", 1)
        told.append((result, why))
    return [*told, None] if late else told


def _outcome(said: list[tuple[str, str] | None], status: int, rounds: int) -> Outcome:
    for number, one in enumerate(said):
        if one is None:
            return Outcome(FAILS, f"it did not end within {TRY_AT_MOST:g} s; maybe a thread of it still runs")
        result, why = one
        if result not in (YES, "end"):
            return Outcome(result, f"{why} (the second time in a process)" if number else why)
    if said and said[-1] is not None and said[-1][0] == "end":
        return Outcome(YES, said[0][1] if said[0] is not None else "")
    when = "when it was loaded" if not said else "when it was destroyed"
    if len(said) == 1 < rounds:
        when = "when it was destroyed or loaded again"
    end = f"status {status}" if status >= 0 else f"signal {-status} ({signal.Signals(-status).name})"
    return Outcome(NO if rounds > 1 else FAILS, f"the process ended {when}: {end}")


# ---- in the process that tries


def arrive(
    out: int, kind: str, name: str, environment: Environment, wanted: list[Carried], configuration: int
) -> None:  # fmt: skip
    """Load the modules in the kind of interpreter, and tell each time how it went; then that it is over."""
    sys.argv = ["mod_python"]
    own_imports.install()
    finished = Finished(configuration, registry)
    board = Scoreboard.create(1)
    boot = Boot(InterpreterId(kind, name, environment), kind, 1, 0, 0, finished, {}, board.fd, False)
    if kind == "process":
        _load(out, boot, wanted)
    else:
        subinterpreters.prepare()
        data = marshal.dumps((out, pack(boot), wanted))
        for _round in range(KINDS[kind]):
            _in_subinterpreter(out, kind, data)
    _tell(out, "end", "")


def _in_subinterpreter(out: int, kind: str, data: bytes) -> None:
    try:
        number = subinterpreters.create(kind == "shared")
        script = (
            f"import sys\nsys.path[:] = {sys.path!r}\nsys.argv = ['mod_python']\n"
            f"import mpserver.cli.check_interp\nmpserver.cli.check_interp.load_packed({data!r})\n"
        )
        subinterpreters.run(number, script)
        subinterpreters.destroy(number)
    except InterpreterError as error:
        _tell(out, FAILS, str(error))


def load_packed(data: bytes) -> None:
    """`_load` in a subinterpreter."""
    own_imports.install()
    out, boot, wanted = marshal.loads(data)  # noqa: S302 - a child that we started says it
    _load(out, unpack(boot), wanted)


def _load(out: int, boot: Boot, wanted: list[Carried]) -> None:
    """Load the modules, and call factories, as the interpreter would. Nothing that they raise leaves this function."""
    refused: list[str] = []
    os.environ.update(variables(boot.configuration, boot.interpreter_id.name))
    if boot.kind == "own":
        refused_modules.watch(refused.append)
    loader = Loader()
    main = Pipeline(boot.configuration, {}, 0, loader, {}).planner.host(boot.configuration.main)
    board = Scoreboard.attach(boot.scoreboard)
    lend(InterpreterServices(boot, main, loader, board.entry(0, 1), board))
    for module, directory, path, factory, objects in wanted:
        try:
            loaded, _path = loader.load_ahead(module, directory, path, time.time(), factory)
        except BaseException as error:  # an application's module may raise anything
            _tell(out, *_reason(module, error, _searched(loader, directory, path)))
            return
        if told := lacking(module, loaded.module, objects):
            _tell(out, FAILS, told)
            return
    _tell(out, YES, _missing(refused))


def _searched(loader: Loader, directory: str | None, path: str | None) -> list[str]:
    """The path that a module was looked for on."""
    try:
        loader.set_path(path, directory)
    except BaseException:  # noqa: S110 - PythonPath may raise anything; that was told
        pass
    return list(sys.path)


def _missing(refused: list[str]) -> str:
    """What an application does without, as it has caught the refusals of these modules; "": nothing."""
    twins = {name: refused_modules.twin(name) for name in refused}
    without = ", ".join(name for name, twin in twins.items() if not twin)
    if without:
        return f"{WITHOUT}{without}, which refuses it"
    return ", ".join(f"with {twin} in the place of {name}, which refuses it" for name, twin in twins.items())


def _reason(module: str, error: BaseException, path: list[str]) -> tuple[str, str]:
    refused = refusing(error)
    if refused is not None:
        if refused in DEEDS.values():
            return NO, f"{refused} can't be used there"
        return NO, f'a module refuses it ("{refused}")' if " " in refused else f"{refused} refuses it"
    return FAILS, f"{module} can't be loaded: {load_errors.summary(headline(error, describe(error)), error, path)}"


def _tell(out: int, result: str, why: str) -> None:
    os.write(out, f"{result}\t{' '.join(why.split())}\n".encode("utf-8", "backslashreplace"))


def _main(fd: int) -> None:
    _path, _module, what = marshal.loads(os.pread(fd, os.fstat(fd).st_size, 0))  # noqa: S302 - a child that we started says it
    fields: tuple[Any, ...] = what
    arrive(*fields)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
