"""The filters of a plan by their names: those of modules, and those that requests register (manual 4.3 and 5.2).

They are put in just before the content handler runs, as the ``insert_filter`` hooks of the modules say; what a request
adds comes after them. The server's own error pages have no filters; an internal redirect has those of its target.
"""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.api import constants
from mpserver.modules.hooks import InputFactory, Planning, RegisteredFilters
from mpserver.typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mpserver.api.output_filters import OutputFactory
    from mpserver.api.request import Request

T = TypeVar("T")

#: What a request registered: a handler and its directory.
Registered = tuple[str, "str | None"] | None


class PlanFilters:
    """The filters of a plan; the modules are asked for them when the first is needed."""

    def __init__(self, planning: Planning) -> None:
        self._planning = planning
        self._output: dict[str, OutputFactory] | None = None
        self._input: dict[str, InputFactory] | None = None
        self._registered: RegisteredFilters | None = None

    def add_output(self, req: Request, name: str, registered: Registered = None) -> None:
        """``req.add_output_filter``; ``registered``: what the request itself registered under that name."""
        if registered is None:
            make = self.output_factory(req, name)
        else:
            make = self._makers().registered_output(*registered)
        if make is not None:
            # (few interpreters have any)
            from mpserver.api.output_filters import install
            from mpserver.modules.core.errorpage import page

            install(req, page).add(make(req))

    def add_input(self, req: Request, name: str, registered: Registered = None) -> None:
        """``req.add_input_filter``."""
        if registered is None:
            if self._input is None:
                self._input = _merged(self._planning.ask("input_filters"))
            make = self._input.get(name.lower())
        else:
            make = self._makers().registered_input(*registered)
        if make is None:
            _unknown(req, name)
            return
        if req.mp_input is None:
            return  # there is nothing to read
        from mpserver.api.input_filters import FilteredInput  # (as above)

        if not isinstance(req.mp_input, FilteredInput):
            req.mp_input = FilteredInput(req.mp_input)
        req.mp_input.add(make(req))

    def output_factory(self, req: Request, name: str) -> OutputFactory | None:
        """What makes a filter of the response; None for a name that nobody knows, which is logged."""
        if self._output is None:
            self._output = _merged(self._planning.ask("output_filters"))
        key = name.lower()
        found = self._output.get(key) or self._planning.output_filter(key)
        if found is None:
            _unknown(req, name)
        return found

    def _makers(self) -> RegisteredFilters:
        if self._registered is None:
            self._registered = self._planning.registered_filters()
        return self._registered


def _merged(answers: list[Mapping[str, T]]) -> dict[str, T]:
    return {name: make for answer in answers for name, make in answer.items()}


def _unknown(req: Request, name: str) -> None:
    text = f"an unknown filter was not added: {name}"
    req.mp_log.log(constants.APLOG_ERR, text, about=req, number=82)
