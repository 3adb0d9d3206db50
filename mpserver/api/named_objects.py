"""How configurations name a WSGI application: as the other servers for these do, and as mod_python does."""

from __future__ import annotations

from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import ModuleType

#: What the object is called where it has no other name.
USUAL = "application"
#: The names that it has most often, in the order in which they are looked for.
OFTEN = (USUAL, "app")


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


def known(module: ModuleType) -> tuple[list[str], str]:
    """The names of what can be called in a module; and the first of `OFTEN` among them, "" where none is."""
    names = [name for name, found in vars(module).items() if callable(found) and name[:1] != "_"]
    return names, next((name for name in OFTEN if name in names), "")
