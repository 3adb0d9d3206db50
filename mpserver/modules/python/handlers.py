"""The handlers of a plan: what a phase's directives name, found when it is first called (manual 5.1.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mpserver.api.handler_list import HandlerEntry
from mpserver.api.loader import RECHECK_AFTER, Loaded, Loader, resolve_object
from mpserver.modules.python import HandlerSpec, directory_for
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.plan import RequestPlan


class Handler:
    """One handler of a plan: resolved once, looked up again when its module was reloaded."""

    __slots__ = ("_fixed", "_loaded", "_trusted", "_version", "entry", "module", "path", "phase")

    def __init__(self, entry: HandlerEntry, phase: str) -> None:
        self.entry = entry
        self.phase = phase
        self.module, _, path = entry.handler.partition("::")
        self.path = path or phase.removeprefix("Python").lower()
        self._loaded: Loaded | None = None
        self._fixed: Callable[[Any], Any] | None = None
        self._version = -1
        self._trusted = -1.0

    def resolve(self, plan: RequestPlan, loader: Loader, now: float, argument: Any) -> Callable[[Any], Any] | None:
        """The callable; None for a silent handler whose module has none.

        :param now: when the request began, in seconds since the epoch.
        :param argument: what it will be called with; classes on the way to it are made with that.
        :raises Exception: what the module raises when imported; AttributeError without such an object.
        """
        path = plan.python_path
        if loader.path == path and self._fixed is not None and self._trusted <= now < self._trusted + RECHECK_AFTER:
            return self._fixed
        # a handler in a Location has no directory (api 3.5 1.5)
        directory = None if self.entry.is_location or path is not None else self.entry.directory
        if loader.path != path:
            loader.set_path(path, directory)  # (sections take turns)
        if now < self._trusted or now >= self._trusted + RECHECK_AFTER:
            with loader.in_turn():
                loaded = loader.load(self.module, directory, plan.autoreload, now, path)
                # (still in turn: or a thread that was held up here could put the function of before a reload back)
                if loaded is not self._loaded or loaded.version != self._version:
                    self._fixed = self._find_fixed(loaded)
                    self._loaded, self._version = loaded, loaded.version
                self._trusted = now
        fixed = self._fixed
        if fixed is not None:
            return fixed
        assert self._loaded is not None
        walked: Any = resolve_object(self._loaded.module, self.path, argument, self.entry.silent)
        if isinstance(walked, type):
            walked = walked(argument)
        function: Callable[[Any], Any] | None = walked
        return function

    def _find_fixed(self, loaded: Loaded) -> Callable[[Any], Any] | None:
        """A plain function needs no walk per request."""
        found = loaded.module.__dict__.get(self.path)
        if not callable(found) or isinstance(found, type):
            return None
        function: Callable[[Any], Any] = found
        return function


class PhaseHandlers(NamedTuple):
    """A phase's handlers: those for all files, and those for an extension only (``| .ext``)."""

    plain: tuple[Handler, ...]
    by_extension: Mapping[str, tuple[Handler, ...]]


def phase_handlers(
    specs: tuple[HandlerSpec, ...], phase: str, filename: str | None, kind: type[Handler]
) -> PhaseHandlers:
    """The handlers that a phase is configured with; ``filename``: of a request, for the directories of patterns."""
    plain: list[Handler] = []
    extensions: dict[str, list[Handler]] = {}
    for spec in specs:
        directory = directory_for(spec, filename)
        handler = kind(HandlerEntry(spec.handler, directory, spec.is_location, spec.silent), phase)
        for extension in spec.extensions:
            extensions.setdefault(extension, []).append(handler)
        if not spec.extensions:
            plain.append(handler)
    return PhaseHandlers(tuple(plain), {name: tuple(found) for name, found in extensions.items()})
