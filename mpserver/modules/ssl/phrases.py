"""Pass phrases of private keys (SSLPassPhraseDialog): asked for at the start, and kept for restarts."""

from __future__ import annotations

import shlex

from mpserver.errors import ConfigError
from mpserver.modules.ssl import Place

#: What shows that a key is encrypted: PKCS #8, and the older form.
SIGNS = (b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")
#: How long a program may take, in seconds.
PATIENCE = 300.0


class Phrases:
    """Asks for pass phrases, for each key once; a phrase that fits another key as well is not asked for again."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], str] = {}

    def of(self, dialog: str, server: str, place: Place, key: bytes) -> str:
        """The phrase of a key; "" for one that is not encrypted.

        :param dialog: SSLPassPhraseDialog.
        :param server: the host's name and port, for programs that are asked.
        :raises ConfigError: nobody tells it.
        """
        if not any(sign in key for sign in SIGNS):
            return ""
        found = self._known.get((place.path, key))
        if found is None:
            try:
                found = _on_terminal(server, place) if dialog == "builtin" else _by_program(dialog, server, place)
            except OSError as error:
                text = f"the pass phrase of '{place.path}' can't be asked for: {error.strerror or error}"
                raise ConfigError(f"{text} (see SSLPassPhraseDialog)", place.file, place.line) from error
            self._known[place.path, key] = found
        return found


def _on_terminal(server: str, place: Place) -> str:
    import getpass
    import os

    os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))  # (getpass would read standard input without one)
    return getpass.getpass(f"Pass phrase of {place.path} for {server}: ")


def _by_program(dialog: str, server: str, place: Place) -> str:
    """What a program says: exec:program gets the host and the kind of key; |program reads what is asked for."""
    import subprocess

    pipe = dialog.startswith("|")
    words = shlex.split(dialog[1:] if pipe else dialog.removeprefix("exec:"))
    question = f"Pass phrase of {place.path} for {server}:\n" if pipe else None
    try:
        done = subprocess.run(
            words if pipe else [*words, server, "RSA"],
            input=question, stdout=subprocess.PIPE, timeout=PATIENCE, text=True, check=True,
        )  # fmt: skip
    except subprocess.SubprocessError as error:
        raise OSError(0, str(error)) from error
    return done.stdout.partition("\n")[0].rstrip("\r")
