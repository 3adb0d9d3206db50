"""Which modules take part in what: the table of all modules, with the hooks of those that were loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module

from mpserver.errors import Unread, is_crowded
from mpserver.modules.known import PACKAGE, Known, Order, Part, prefix_of
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

    from mpserver.config.settings import Conf


class HookTable:
    """The hooks of all modules; each module's are imported when it takes part in a request for the first time."""

    def __init__(self, table: Sequence[Known]) -> None:
        self._places = {known.folder: place for place, known in enumerate(table) if known.hooks is not Part.NEVER}
        self._always = frozenset(known.folder for known in table if known.hooks is Part.ALWAYS)
        self._folders: dict[str, str | None] = {}
        self._functions: dict[tuple[frozenset[str], str], tuple[Callable[..., Any], ...]] = {}
        #: Whose a content handler, and a filter, is.
        self.handlers = {name: known.folder for known in table for name in known.handlers}
        self.filters = {name: known.folder for known in table for name in known.filters}
        self._placed = {name: known.folder for known in table if known.placed for name in known.handlers}
        #: The functions of hooks that modules call plain.
        self._plain: set[Callable[..., Any]] = set()
        #: The modules that took part in something so far, with their hooks.
        self.loaded: dict[str, ModuleType] = {}

    def owner(self, handler: str) -> str | None:
        """The folder of the module that has a content handler."""
        return self.handlers.get(handler) or self.handlers.get(prefix_of(handler))

    def placing(self, names: Iterable[str | None]) -> frozenset[str]:
        """The folders of the modules that place the requests of these handlers."""
        placed = self._placed
        return frozenset(placed[name] for name in names if name in placed)

    def active(self, *confs: Conf) -> frozenset[str]:
        """The folders of the modules that one of these has a setting of, and of those that always take part."""
        return self._always.union(
            folder for conf in confs for setting in conf.values if (folder := self._folder(setting.module)) is not None
        )

    def _folder(self, module: str) -> str | None:
        """The module of httpd that a Python module belongs to."""
        try:
            return self._folders[module]
        except KeyError:
            name = module.removeprefix(PACKAGE + ".").partition(".")[0]
            found = self._folders[module] = name if module.startswith(PACKAGE) and name in self._places else None
            return found

    def load(self, folder: str) -> ModuleType:
        """The hooks of a module.

        :raises Unread: there is no descriptor left to read them with; the next request may be luckier.
        """
        found = self.loaded.get(folder)
        if found is not None:
            return found
        try:
            found = self.loaded[folder] = import_module(f"{PACKAGE}.{folder}.hooks")
        except OSError as error:
            if not is_crowded(error):
                raise
            raise Unread(f"the module {folder} can't be loaded now: {error.strerror}") from error
        return found

    def ask(self, active: frozenset[str], hook: str, *about: Any) -> tuple[Any, ...]:
        """What some modules answer to a hook that is not about a plan, without those that answer None."""
        answers = (function(*about) for function in self.functions(active, hook))
        return tuple(answer for answer in answers if answer is not None)

    def functions(self, active: frozenset[str], hook: str) -> tuple[Callable[..., Any], ...]:
        """The functions that some modules have of a hook, in their order."""
        found = self._functions.get((active, hook))
        if found is None:
            having = []
            for folder in active:
                hooks = self.load(folder)
                if hasattr(hooks, hook):
                    order: Mapping[str, Order] = getattr(hooks, "ORDER", {})
                    having.append((order.get(hook, Order.MIDDLE), self._places[folder], getattr(hooks, hook)))
                    if hook in getattr(hooks, "PLAIN", ()):
                        self._plain.add(getattr(hooks, hook))
            found = self._functions[active, hook] = tuple(function for _, _, function in sorted(having))
        return found

    def is_plain(self, function: Callable[..., Any]) -> bool:
        """Whether a module calls this function of its hooks plain."""
        return function in self._plain
