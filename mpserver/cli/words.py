"""What the first word of the command may be, in place of httpd's options: each is a command of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mpserver.cli.options import Options

#: Starts a server by its options; returns the exit status.
Run = Callable[[Options], int]


def _serve(words: Sequence[str], run: Run) -> int:
    from mpserver.cli import serve

    return serve.main(words, run)


def _new(words: Sequence[str], _run: Run) -> int:
    from mpserver.cli import new

    return new.main(words)


def _check_interp(words: Sequence[str], _run: Run) -> int:
    from mpserver.cli import check_interp

    return check_interp.main(words)


def _htpasswd(words: Sequence[str], _run: Run) -> int:
    from mpserver.cli import user_files

    return user_files.htpasswd(words)


def _htdigest(words: Sequence[str], _run: Run) -> int:
    from mpserver.cli import user_files

    return user_files.htdigest(words)


def _htdbm(words: Sequence[str], _run: Run) -> int:
    from mpserver.cli import user_databases

    return user_databases.htdbm(words)


def _httxt2dbm(words: Sequence[str], _run: Run) -> int:
    from mpserver.cli import user_databases

    return user_databases.httxt2dbm(words)


def _completion(words: Sequence[str], _run: Run) -> int:
    from mpserver.cli import completion

    return completion.main(words)


def _check_app(words: Sequence[str], _run: Run) -> int:
    from mpserver.cli import check_app

    return check_app.main(words)


def _import_unit(words: Sequence[str], _run: Run) -> int:
    from mpserver.cli import import_unit

    return import_unit.main(words)


#: What each does, with the words behind it.
COMMANDS: Mapping[str, Callable[[Sequence[str], Run], int]] = {
    "serve": _serve,
    "new": _new,
    "check-interp": _check_interp,
    "check-app": _check_app,
    "import-unit": _import_unit,
    "htpasswd": _htpasswd,
    "htdigest": _htdigest,
    "htdbm": _htdbm,
    "httxt2dbm": _httxt2dbm,
    "completion": _completion,
}
