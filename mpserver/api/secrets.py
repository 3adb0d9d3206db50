"""What of a configuration is not for pages that show it to somebody."""

from __future__ import annotations

from mpserver import lazyre

#: The last parts of the names of options with secrets.
SECRET_OPTIONS = frozenset({"password", "secret"})

_OPTION = lazyre.compile(rf"(?i)(\s*PythonOption\s+\S*(?:{'|'.join(sorted(SECRET_OPTIONS))})[\"']?)\s.*")
_USERINFO = lazyre.compile(r"(?<=://)[^/@\s]*@")
_SECRET = lazyre.compile(
    r"(?i)pass|pwd|_pw$|access_?key|secret|token|api[-_]?key|private|credential|authorization|cookie|session|csrf|signature$|^sid$|_sid$"
)
_HIDDEN = "(not shown)"


def is_secret(name: str) -> bool:
    """Whether what has this name, such as a header, an option or a variable, is nothing to show."""
    return _SECRET.search(name) is not None


def without_userinfo(text: str) -> str:
    """A text whose URLs have no users and passwords."""
    return _USERINFO.sub(f"{_HIDDEN}@", text)


def shown(line: str) -> str:
    """A line of a configuration without its secrets; it has no line feed."""
    return without_userinfo(_OPTION.sub(rf"\1 {_HIDDEN}", line))
