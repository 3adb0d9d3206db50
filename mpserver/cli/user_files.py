"""``mpserver htpasswd`` and ``mpserver htdigest``: files of users, as httpd's programs of these names make them.

They never print a password; one is asked for at the terminal, or read from standard input, where it is not given.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from mpserver.modules import passwords
from mpserver.typing import NamedTuple

HTPASSWD = """\
Usage: mpserver htpasswd [-cimBs25DvnC:] [-b] FILE USER [PASSWORD]
       mpserver htpasswd -n[...] [-b] USER [PASSWORD]
  -c  make a new file, in place of one that is there
  -n  show the line, and change no file
  -b  the password is the last argument (others can see it in the list of processes)
  -i  read the password from standard input
  -B  bcrypt (the default); -C N: its cost, 4 to 17 (10 where it is not given)
  -m  MD5 in httpd's form (apr1)    -2  SHA-256 of crypt(3)    -5  SHA-512 of crypt(3)
  -s  SHA-1 (insecure)              -d  crypt (insecure: eight signs count)
  -D  delete the user               -v  verify the user's password
"""
HTDIGEST = """\
Usage: mpserver htdigest [-c] FILE REALM USER
  -c  make a new file, in place of one that is there
The password is asked for at the terminal, or read from standard input.
"""

#: What a name and a realm can't hold, for the file has it between them.
_FORBIDDEN = ":\n\r\0"
_COST = 10

#: By option: what encrypts a password; the cost is bcrypt's.
WAYS: Mapping[str, Callable[[bytes, int], str]] = {
    "B": lambda password, cost: passwords.crypt(password, passwords.bcrypt_setting(cost)),
    "m": lambda password, _cost: passwords.apr1(password, passwords.salt(8)),
    "2": lambda password, _cost: passwords.crypt(password, f"$5${passwords.salt(16)}$"),
    "5": lambda password, _cost: passwords.crypt(password, f"$6${passwords.salt(16)}$"),
    "s": lambda password, _cost: passwords.sha1(password),
    "d": lambda password, _cost: passwords.crypt(password, passwords.salt(2)),
}


class Wrong(Exception):
    """What was asked for can't be done; its text says why. ``status``: what the command ends with, as httpd's."""

    def __init__(self, text: str, status: int = 2) -> None:
        super().__init__(text)
        self.status = status


class Asked(NamedTuple):
    """The options of htpasswd, the cost of bcrypt, and the other words."""

    options: frozenset[str]
    cost: int
    words: tuple[str, ...]


def htpasswd(words: Sequence[str]) -> int:
    """The command. :returns: its exit status."""
    return run(words, HTPASSWD, _htpasswd)


def htdigest(words: Sequence[str]) -> int:
    """The command. :returns: its exit status."""
    return run(words, HTDIGEST, _htdigest)


def run(words: Sequence[str], usage: str, command: Callable[[Sequence[str]], str]) -> int:
    """Do what a command asks for. :returns: its exit status."""
    if not words or words[0] in ("-h", "--help"):
        sys.stderr.write(usage)
        return 0 if words else 2
    try:
        said = command(words)
    except Wrong as error:
        sys.stderr.write(f"mpserver: {error}\n" + (usage if error.status == 2 else ""))
        return error.status
    except (OSError, passwords.Unsupported) as error:
        sys.stderr.write(f"mpserver: {error}\n")
        return 1
    except EOFError:  # (Ctrl-D)
        sys.stderr.write("\nmpserver: no password was typed\n")
        return 1
    if said:
        print(said)
    return 0


def read(words: Sequence[str], known: str) -> Asked:
    """The words of a command; ``known``: the letters of its options. :raises Wrong: they make no sense."""
    options: set[str] = set()
    cost, rest = _COST, list(words)
    while rest and rest[0].startswith("-") and len(rest[0]) > 1:
        for letter in rest.pop(0)[1:]:
            if letter not in known:
                raise Wrong(f"there is no option -{letter}")
            if letter == "C":
                text = rest.pop(0) if rest else ""
                if not (text.isascii() and text.isdigit() and len(text) < 3 and 4 <= int(text) <= 17):
                    raise Wrong("-C needs the cost of bcrypt, 4 to 17")
                cost = int(text)
            options.add(letter)
    return Asked(frozenset(options), cost, tuple(rest))


def _htpasswd(words: Sequence[str]) -> str:
    asked = read(words, "cnbiBm25sdDvC")
    options = asked.options
    shows, given = "n" in options, "b" in options
    if len(asked.words) != (0 if shows else 1) + 1 + given:
        raise Wrong("there are too few or too many arguments")
    check_options(options, "cnDv")
    path, user = ("" if shows else asked.words[0]), asked.words[0 if shows else 1]
    check(user, "user name")
    lines = [] if shows or "c" in options else _lines(path)
    if "D" in options:
        _need(lines, user, path)
        _write(path, [line for line in lines if not line.startswith(f"{user}:")])
        return ""
    if "v" in options:
        stored = _need(lines, user, path).partition(":")[2].partition(":")[0].rstrip("\r")
        return verify(asked, given, user, stored)
    line = f"{user}:{encrypt(asked, given)}"
    if shows:
        return line
    _write(path, _replaced(lines, f"{user}:", line))
    return ""


def _htdigest(words: Sequence[str]) -> str:
    asked = read(words, "c")
    if len(asked.words) != 3:
        raise Wrong("there are too few or too many arguments")
    path, realm, user = asked.words
    check(user, "user name")
    check(realm, "realm")
    lines = [] if "c" in asked.options else _lines(path)
    password = ask_password(asked, False, confirm=True)
    text = b":".join((os.fsencode(user), os.fsencode(realm), password))
    digest = hashlib.md5(text, usedforsecurity=False).hexdigest()
    _write(path, _replaced(lines, f"{user}:{realm}:", f"{user}:{realm}:{digest}"))
    return ""


def check(text: str, kind: str) -> None:
    """Look at a name. :raises Wrong: no file of users could hold it."""
    if not text or any(sign in text for sign in _FORBIDDEN) or text.startswith("#") or len(text) > 255:
        raise Wrong(f"the {kind} can't be empty, hold ':', begin with '#' or have more than 255 signs")


def no_file(path: str) -> Wrong:
    """What is wrong where there is no such file."""
    return Wrong(f"cannot open file {path} for read/write access: there is none; -c makes one", 1)


def no_user(user: str, path: str) -> Wrong:
    """What is wrong where a file does not have a user."""
    return Wrong(f"User {user} not found in {path}", 6)


def check_options(options: frozenset[str], *groups: str) -> None:
    """Look at options. :raises Wrong: there are several of a group, or of those that these commands have in common."""
    if any(len(options.intersection(group)) > 1 for group in (WAYS, "bi", *groups)):
        raise Wrong("some of these options exclude each other")


def encrypt(asked: Asked, given: bool) -> str:
    """The password, in the way that was asked for. :raises Wrong: that can't be had, or two that were typed differ."""
    way = next((way for way in WAYS if way in asked.options), "B")
    encrypted = WAYS[way](ask_password(asked, given, confirm=True), asked.cost)
    if not encrypted:
        raise Wrong("the system's libcrypt does not know this kind of encryption", 1)
    return encrypted


def verify(asked: Asked, given: bool, user: str, stored: str) -> str:
    """Compare the password with an encrypted one. :returns: what to say. :raises Wrong: it is another one."""
    if not passwords.matches(ask_password(asked, given, confirm=False), stored):
        raise Wrong("password verification failed", 3)
    return f"Password for user {user} correct."


def _lines(path: str) -> list[str]:
    try:
        with open(path, errors="surrogateescape", newline="") as file:
            text = file.read()
    except FileNotFoundError:
        raise no_file(path) from None
    if "\0" in text:
        raise Wrong(f"{path} is no file of users, and is left as it is", 1)
    return text.removesuffix("\n").split("\n") if text else []


def _need(lines: Sequence[str], user: str, path: str) -> str:
    for line in lines:
        if line.startswith(f"{user}:"):
            return line
    raise no_user(user, path)


def _replaced(lines: Sequence[str], start: str, line: str) -> list[str]:
    """The lines with one in place of the first that begins so, or at the end."""
    for place, old in enumerate(lines):
        if old.startswith(start):
            return [*lines[:place], line, *lines[place + 1 :]]
    return [*lines, line]


def _write(path: str, lines: Sequence[str]) -> None:
    with in_place_of(path) as made, open(made, "w", errors="surrogateescape", newline="") as file:
        file.write("".join(f"{line}\n" for line in lines))


@contextmanager
def in_place_of(path: str) -> Iterator[str]:
    """A new file, by its name, which takes the place of another at one stroke once it is written.

    Servers that read the file meanwhile see the one or the other. It has the mode and owner of the one before.
    """
    path = os.path.realpath(path)
    made = f"{path}.{os.getpid()}.new"
    try:
        before = os.stat(path)
    except FileNotFoundError:
        before = None
    os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640 if before is None else 0o600))
    try:
        if before is not None and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(made, before.st_uid, before.st_gid)
        yield made
        if before is not None:
            os.chmod(made, before.st_mode & 0o7777)
        os.replace(made, path)
    except BaseException:
        os.unlink(made)
        raise


def ask_password(asked: Asked, given: bool, *, confirm: bool) -> bytes:
    """The password, as the bytes that clients send for it. :raises Wrong: two that were typed differ."""
    if given:
        return os.fsencode(asked.words[-1])
    if "i" in asked.options or not sys.stdin.isatty():
        return sys.stdin.buffer.readline().rstrip(b"\r\n")
    first = getpass.getpass("New password: " if confirm else "Enter password: ")
    if confirm and getpass.getpass("Re-type new password: ") != first:
        raise Wrong("password verification error: the two differ", 3)
    return os.fsencode(first)
