"""How configurations name a WSGI application: as the other servers for these do, and as mod_python does."""

from __future__ import annotations

from mpserver.typing import NamedTuple

#: What the object is called where it has no other name.
USUAL = "application"


class NamedObject(NamedTuple):
    """An object of a module.

    ``module``: its name, or the file of a script from the root on. ``path``: what it is called there, with dots; "":
    by the usual name. ``is_factory``: that is to be called, without arguments, for the application.
    """

    module: str
    path: str
    is_factory: bool


def parse(text: str) -> NamedObject:
    """What ``module``, ``module:object``, ``module::object`` or ``module:make()`` names."""
    separator = "::" if "::" in text else ":"
    module, _, path = text.partition(separator)
    made = path.strip().removesuffix("()")
    return NamedObject(module.strip(), made, made != path.strip())
