"""The command ``mpserver``: httpd's options."""

from __future__ import annotations

import os
import select
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial

from mpserver.api import error_log
from mpserver.cli.greeting import greet
from mpserver.cli.load import complain, finish, read, warn
from mpserver.cli.options import SITE_FILE, meant, parse
from mpserver.cli.words import COMMANDS
from mpserver.errors import ConfigError, ConfigErrors, StartError, UsageError
from mpserver.modules.ssl.phrases import Phrases
from mpserver.supervisor.succession import Succession
from mpserver.system import heaps, pidfile
from mpserver.system.inherited import Inherited
from mpserver.system.standard_streams import open_standard_streams
from mpserver.system.systemd import Notifier
from mpserver.system.titles import printable
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.error_log import ErrorLog
    from mpserver.cli.options import Options
    from mpserver.config.configuration import Configuration
    from mpserver.modules.md.domains import Domains
    from mpserver.supervisor.engine import Engine, Tell
    from mpserver.supervisor.reading import Reading

#: Seconds that -k stop waits for the server's end: longer than the master gives its workers.
STOP_PATIENCE = 20.0

_SIGNALS = {
    "stop": signal.SIGTERM,
    "restart": signal.SIGHUP,
    "graceful": signal.SIGUSR1,
    "graceful-stop": signal.SIGWINCH,
}


# ---- what needs no configuration (-V looks into it if there is one)


def _show_version(_options: Options) -> str:
    from mpserver.cli import info

    return info.version()


def _show_settings(options: Options) -> str:
    """-V: with the MPM that the configuration chooses, where there is one."""
    from mpserver.cli import info
    from mpserver.modules.all import registry

    unread = options._replace(checks=False)
    return info.settings(read(unread).registry if os.path.exists(options.file) else registry())


def _show_built_in(_options: Options) -> str:
    from mpserver.cli import info
    from mpserver.modules.all import registry

    return info.built_in(registry())


def _show_directives(_options: Options) -> str:
    from mpserver.cli import info
    from mpserver.modules.all import registry

    return info.directives(registry())


def _show_help(_options: Options) -> str:
    from mpserver.cli import info

    return info.USAGE.rstrip()


def _show_unit(options: Options) -> str:
    from mpserver.cli import unit

    if not os.path.exists(options.file):
        return unit.text(options.file, options.user)
    try:
        configuration = read(options._replace(checks=False))
    except ConfigErrors:  # (-t of the unit tells that, before each start)
        return unit.text(options.file, options.user)
    if not options.user:
        for warning in unit.warnings(configuration):
            error_log.to_terminal(f"Warning: {warning}")
    return unit.text(options.file, options.user, unit.patience(configuration))


def _show_logrotate(options: Options) -> str:
    from mpserver.cli import logrotate

    return logrotate.text(read(options._replace(checks=False)))


_SHOWN: dict[str, Callable[[Options], str]] = {
    "-v": _show_version,
    "-V": _show_settings,
    "-l": _show_built_in,
    "-L": _show_directives,
    "-h": _show_help,
    "-?": _show_help,
    "--print-unit": _show_unit,
    "--print-logrotate": _show_logrotate,
}


# ---- what does


def _test(configuration: Configuration) -> int:
    """-t, with what DUMP_... asks for."""
    from mpserver.cli import info

    dumps: dict[str, Callable[[], str]] = {
        "DUMP_VHOSTS": lambda: info.virtual_hosts(configuration),
        "DUMP_RUN_CFG": lambda: info.run_settings(configuration),
        "DUMP_MODULES": lambda: info.loaded(configuration.registry),
    }
    asked = [dump for name, dump in dumps.items() if name in configuration.defines]
    for dump in asked:
        print(dump())
    if not asked:
        error_log.to_terminal("Syntax OK")
    return 0


def _load(configuration: Configuration) -> int:
    """-t --load."""
    from mpserver.cli import loadable

    faults = loadable.faults(configuration)
    for fault in faults:
        error_log.to_terminal(fault)
    if not faults:
        error_log.to_terminal("Applications OK")
    return 1 if faults else 0


def _signal(options: Options, pid_file: str, found: pidfile.Found, delay: float) -> int:
    """-k with anything but start: tell the running server.

    -k stop waits for its end, which is ``delay`` later, and -k graceful for the new generation.
    """
    assert found.pid is not None
    from mpserver.cli import status as status_module

    if options.command == "upgrade":
        return status_module.upgrade(pid_file)
    if options.command == "reopen":
        return status_module.reopen(pid_file)
    if options.command == "graceful" and options.wait:
        status = status_module.graceful(pid_file)
        if status is not None:
            return status
    try:
        process = os.pidfd_open(found.pid)
    except ProcessLookupError:
        return 0  # it ended between two looks
    try:
        signal.pidfd_send_signal(process, _SIGNALS[options.command])
    except ProcessLookupError:
        return 0
    except PermissionError as error:
        error_log.to_terminal(f"sending signal to server (pid {found.pid})", error=error)
        return 1
    if options.command != "stop":
        return 0
    waiter = select.poll()
    waiter.register(process, select.POLLIN)
    patience = STOP_PATIENCE + delay
    if waiter.poll(patience * 1000):
        return 0
    error_log.to_terminal(f"mpserver (pid {found.pid}) has not ended within {patience:.0f} seconds")
    return 1


def engine() -> Engine:
    """The real engine: the worker and the keeper of process interpreters."""
    from mpserver import worker
    from mpserver.interpreters import ahead, zygote_keeper
    from mpserver.supervisor.engine import Engine

    ahead.load()
    return Engine(worker.serve, zygote_keeper.Keeper, zygote_keeper.keeper_process, _renew)


def _renew(domains: Domains, log: ErrorLog, fresh: bool, tell: Tell) -> None:
    """The life of the process that gets certificates; only there the libraries are loaded that it takes."""
    from mpserver.certificates import process

    process.run(domains, log, fresh, tell)


def start(options: Options, reading: Reading, make_engine: Callable[[], Engine], phrases: Phrases) -> int:
    """Start the server the way that the options ask for; returns when it has ended, or runs in the background.

    :raises StartError: it can't start.
    """
    from mpserver.cli.daemon import detach, detach_in_place
    from mpserver.master import open_master

    succession, folder = options.succession, os.getcwd() if _is_somewhere() else "/"
    heaps.share(os.environ)  # (before there is any thread or child)
    notifier, inherited = Notifier.take(os.environ), Inherited.take(os.environ, ours=succession is not None)
    if options.one_process:
        from mpserver.supervisor import one_process

        one_process.run(reading, make_engine(), notifier, inherited, partial(greet, reading.conf.addresses, True))
        return 0

    defines = reading.configuration.defines
    foreground = "FOREGROUND" in defines
    no_detach = "NO_DETACH" in defines
    engine = make_engine()

    def run(started: Callable[[], object]) -> None:
        master = open_master(
            reading,
            engine,
            notifier,
            read=lambda: finish(read(options, phrases)),
            inherited=inherited,
            succession=succession,
            folder=folder,
            replace_output=not foreground,
        )
        started()
        master.run(shlex.join(sys.orig_argv))

    if not foreground and not no_detach and succession is None:
        return detach(run)
    if no_detach or not foreground:
        detach_in_place()
    told = options.told or succession is not None
    run(partial(greet, () if told else reading.conf.addresses, False))
    return 0


def _end(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def run(options: Options, make_engine: Callable[[], Engine]) -> int:
    """Do what the options ask for. :returns: the exit status."""
    if options.show:
        print(_SHOWN[options.show](options))
        return 0
    if not options.named:
        _look_at_found(options.file)
    elif options.sought and not os.path.exists(options.file):
        raise StartError(
            f"there is neither {options.sought} nor {options.file}, where -f looks next: name a file that is there"
        )
    if "NOTIFY_SOCKET" in os.environ:
        # The service may be told to stop before there is a master that takes signals: by this one, see the unit.
        signal.signal(signal.SIGWINCH, _end)
    phrases = Phrases()
    configuration = read(options, phrases)
    warn(options, configuration)
    if options.test:
        return _test(configuration) or (_load(configuration) if options.load else 0)
    from mpserver.modules import core, mpm, python

    pid_file = core.pid_file(configuration.main.conf)
    if options.top:
        from mpserver.cli import top

        return top.top(pid_file, options.once)
    if options.profile:
        from mpserver.cli import profile

        return profile.profile(pid_file, options.profile, options.seconds, options.flamegraph)
    if options.trace:
        from mpserver.cli import trace

        return trace.trace(pid_file, options.trace, configuration)
    if options.status or options.recycle or options.stacks:
        from mpserver.cli import status as status_module

        if options.stacks:
            return status_module.stacks(pid_file, options.stacks)
        return (
            status_module.status(pid_file, options.json)
            if options.status
            else status_module.recycle(pid_file, options.recycle)
        )
    found = pidfile.look(pid_file)
    succeeds = options.succession is not None and options.succession.pid == found.pid
    if options.command == "start" and not succeeds:
        if found.pid is not None and found.running:
            theirs = pidfile.configuration(found.pid)
            if theirs is not None and os.path.realpath(theirs) != os.path.realpath(printable(options.file)):
                raise StartError(pidfile.of_another(pid_file, found.pid))
            print(f"mpserver (pid {found.pid}) already running")
            return 0
    elif succeeds:
        pass
    elif found.running:
        conf = configuration.main.conf
        delay = conf[mpm.SHUTDOWN_DELAY]  # (after which it ends gracefully)
        return _signal(options, pid_file, found, delay and delay + conf[mpm.GRACEFUL_SHUTDOWN_TIMEOUT])
    elif options.command in ("stop", "graceful-stop", "reopen"):
        print(f"mpserver ({'no pid file' if found.pid is None else f'pid {found.pid}?'}) not running")
        return 0
    else:
        print("mpserver not running, trying to start")
    if python.wants_optimizing(configuration) and options.succession is None:
        _begin_optimized()
    if options.load:
        from mpserver.cli import loadable

        if faults := loadable.faults(configuration):
            raise StartError("\n".join(faults))
    reading = finish(configuration)
    del configuration  # (the master lives long, and so would all that was read)
    return start(options, reading, make_engine, phrases)


def _look_at_found(file: str) -> None:
    """Look at a configuration that nobody named: mpserver.conf of the current folder, or the one of the machine.

    Whoever stands in somebody else's folder does not mean to run what that one put there.

    :raises StartError: there is none, or it belongs neither to us nor to root.
    """
    try:
        owner = os.stat(file).st_uid
    except FileNotFoundError:
        raise StartError(
            f"mpserver: there is no configuration, neither {SITE_FILE} in this folder ({os.getcwd()}) nor {file}.\n"
            "  mpserver new mysite          makes a site to begin with; then: cd mysite, and mpserver -X\n"
            "  mpserver serve APPLICATION   serves an application, or a folder, without a configuration\n"
            "  mpserver -f FILE             takes the configuration FILE\n"
            "mpserver --help lists the options."
        ) from None
    except OSError as error:
        raise StartError(f"({error.errno}){error.strerror}: the configuration {file} can't be reached") from error
    if os.path.basename(file) == SITE_FILE and owner not in (os.geteuid(), 0):
        raise StartError(f"{file} belongs to another account (number {owner}): write -f {SITE_FILE} if you mean it")


def _begin_optimized() -> None:
    """Begin again as ``python -O`` (PythonOptimize): that is settled when a Python starts, for all its interpreters."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-O", *sys.orig_argv[1:]])  # noqa: S606 - ourselves once more


def main(arguments: Sequence[str] | None = None, make_engine: Callable[[], Engine] = engine) -> int:
    """The command. :returns: the exit status: 0, or 1 for whatever went wrong (it was told on stderr)."""
    try:
        try:
            return _main(arguments, make_engine)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _is_unread():
            raise
        # Whoever read what we print has enough (mpserver -L | head): no fault, and nothing to tell.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:  # whoever has typed Ctrl-C knows; what a server was asked for goes on there
        return 128 + signal.SIGINT
    except FileNotFoundError:
        if _is_somewhere():
            raise
        sys.stderr.write("mpserver: the current folder is not there any more: go to one that is\n")
        return 1


def _is_somewhere() -> bool:
    """Whether there is a current folder: it may have been removed, and names of files can't be relative to it then."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _is_unread() -> bool:
    """Whether standard output is a pipe that nobody reads any more."""
    poll = select.poll()
    poll.register(1, 0)
    return any(event & select.POLLERR for _fd, event in poll.poll(0))


def _main(arguments: Sequence[str] | None, make_engine: Callable[[], Engine]) -> int:
    open_standard_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["help"]:
        if words[1:] and words[1] not in COMMANDS:
            sys.stderr.write(f"mpserver help: there is no command {words[1]}{meant(words[1])}\n")
            return 1
        words = [*words[1:2], "--help"]
    command = COMMANDS.get(words[0]) if words else None
    if command is not None:
        return command(words[1:], lambda options: run(options, make_engine))
    try:
        options = parse(words)._replace(succession=Succession.take(os.environ))
        if options.succession is not None:
            options = options._replace(command="start")
    except UsageError as error:
        sys.stderr.write(f"mpserver: {error}\nmpserver --help lists the options and commands.\n")
        return 1
    try:
        if options.messages:
            _write_messages_to(options.messages)
        status = run(options, make_engine)
    except (ConfigErrors, ConfigError, StartError) as error:
        if isinstance(error, StartError):
            error_log.to_terminal(str(error))
        else:
            complain(error)
        if options.succession is not None:
            options.succession.tell(str(error).encode("utf-8", "backslashreplace"))
        status = 1
    if options.one_process:
        # Interpreters and their threads don't outlive this call, whatever the application left running.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _write_messages_to(path: str) -> None:
    """-E: stderr becomes this file."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        raise StartError(f"({error.errno}){error.strerror}: could not open {path} for startup messages") from error
    os.dup2(fd, 2)
    os.close(fd)
