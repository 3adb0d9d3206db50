"""Which filters a request has (manual 4.3 and 5.2; httpd's insert_filter hook).

A plan with filters puts them in just before its content handler: first those of the file's extensions,
then SetInputFilter's and SetOutputFilter's, then those by type. What a request adds comes after them. Error
pages of the server's own have none; an internal redirect has those of where it leads to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mpserver.api import constants
from mpserver.api.handler_list import HandlerEntry
from mpserver.api.input_filters import FilteredInput
from mpserver.api.loader import Loader
from mpserver.api.output_filters import OutputFactory, OutputFilter, install
from mpserver.api.parts import Part, close_files
from mpserver.config.settings import Conf
from mpserver.modules import core, include, mime, python
from mpserver.modules import filter as by_type
from mpserver.modules.core.options import Option, effective
from mpserver.modules.filter.hooks import matches
from mpserver.modules.include.hooks import by_bit
from mpserver.modules.mime import hooks as mime_hooks
from mpserver.phases.errorpage import page
from mpserver.phases.python_filters import Caller, PythonFilter, PythonInput, PythonOutput, python_filter
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.phases.plan import Plan

#: What a request registered: a handler and its directory.
Registered = tuple[str, "str | None"] | None
#: The name that filters have which a request registered itself.
DYNAMIC = "mod_python"


def _always(req: Request) -> OutputFilter:
    """What is there in any case, at the end of all chains: lengths and ranges."""
    return OutputFilter(req)


def _includes(req: Request) -> OutputFilter:
    """Server side includes; loaded by the interpreters that have some."""
    from mpserver.phases.include_filter import Includes

    return Includes(req)


#: The server's own output filters by their names; each makes one for a request.
BUILT_IN: Mapping[str, OutputFactory] = {
    "content_length": _always,
    "byterange": _always,
    include.FILTER: _includes,
}


class ByType(OutputFilter):
    """A filter for responses of some types (AddOutputFilterByType): what the response is shows at its first bytes."""

    def __init__(self, req: Request, types: tuple[str, ...], make: OutputFactory) -> None:
        super().__init__(req)
        self._types, self._make = types, make
        self._chosen: OutputFilter | None = None

    def take(self, parts: list[Part], mark: int) -> None:
        """See `OutputFilter.take`."""
        if self._chosen is None:
            self._chosen = self.next
            if matches(self.req.mp_content_type, self._types):
                self._chosen = self._make(self.req)
                self._chosen.next = self.next
        self._chosen.take(parts, mark)

    def drop(self) -> None:
        """See `OutputFilter.drop`."""
        if self._chosen is not None and self._chosen is not self.next:
            self._chosen.drop()


class Missing(OutputFilter):
    """A Python filter that the configuration has, but not for this request: nothing may pass without it."""

    def take(self, parts: list[Part], mark: int) -> None:
        """See `OutputFilter.take`."""
        close_files(parts)
        if not self.req.mp_finished:
            client = self.req.connection.client_addr
            text = "python_filter: Could not find registered filter."
            self.req.mp_log.log(constants.APLOG_ERR, text, module="python", client=client)
            install(self.req, page).sink.fail(constants.HTTP_INTERNAL_SERVER_ERROR)


class Filters:
    """The filters of a plan."""

    def __init__(self, plan: Plan, loader: Loader, filename: str | None) -> None:
        conf = plan.conf
        self._plan, self._loader = plan, loader
        self._output = _names(conf[core.SET_OUTPUT_FILTER])
        self._input = _names(conf[core.SET_INPUT_FILTER])
        self._output_extensions = conf[mime.ADD_OUTPUT_FILTER]
        self._input_extensions = conf[mime.ADD_INPUT_FILTER]
        self._x_bit = conf[include.X_BIT_HACK] != "off"
        self._by_type = tuple(conf[by_type.BY_TYPE].items())
        self._python_output, self._python_input = (
            {
                name: python_filter(name, _entry(spec, filename), setting.name, plan)
                for name, spec in conf[setting].items()
            }
            for setting in (python.OUTPUT_FILTERS, python.INPUT_FILTERS)
        )

    def insert(self, req: Request) -> None:
        """Put the plan's filters into a request."""
        base = (req.mp_filename or "").rpartition("/")[2]
        for name in (*mime_hooks.filters(base, self._output_extensions), *self._output):
            self.add_output(req, name)
        if self._x_bit and by_bit(req):
            self.add_output(req, include.FILTER)
        for name, types in self._by_type:
            make = self._output_factory(req, name)
            if make is not None:
                install(req, page).add(ByType(req, types, make))
        if req.mp_input is not None:
            for name in (*mime_hooks.filters(base, self._input_extensions), *self._input):
                self.add_input(req, name)

    def add_output(self, req: Request, name: str, registered: Registered = None) -> None:
        """``req.add_output_filter``; ``registered``: by the request, under that name."""
        if registered is None:
            make = self._output_factory(req, name)
        else:
            make = self._maker(self._dynamic(*registered, "PythonOutputFilter"))
        if make is not None:
            install(req, page).add(make(req))

    def add_input(self, req: Request, name: str, registered: Registered = None) -> None:
        """``req.add_input_filter``."""
        if registered is None:
            found = self._python_input.get(name.lower())
        else:
            found = self._dynamic(*registered, "PythonInputFilter")
        if found is None:
            _unknown(req, name)
            return
        if req.mp_input is None:
            return  # there is nothing to read
        if not isinstance(req.mp_input, FilteredInput):
            req.mp_input = FilteredInput(req.mp_input)
        req.mp_input.add(PythonInput(Caller(req, self._plan, self._loader, found)))

    def _dynamic(self, handler: str, directory: str | None, phase: str) -> PythonFilter:
        """A filter that a request registered."""
        return python_filter(DYNAMIC, HandlerEntry(handler, directory, False, False), phase, self._plan)

    def _output_factory(self, req: Request, name: str) -> OutputFactory | None:
        key = name.lower()
        found = self._python_output.get(key)
        if found is not None:
            return self._maker(found)
        built_in = BUILT_IN.get(key)
        if built_in is not None:
            return built_in
        if key in self._plan.server.conf[python.FILTER_NAMES]:
            return Missing
        _unknown(req, name)
        return None

    def _maker(self, found: PythonFilter) -> OutputFactory:
        return lambda req: PythonOutput(Caller(req, self._plan, self._loader, found))


def _entry(spec: python.HandlerSpec, filename: str | None) -> HandlerEntry:
    return HandlerEntry(spec.handler, python.directory_for(spec, filename), spec.is_location, False)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(";")) if text else ()


def _unknown(req: Request, name: str) -> None:
    text = f"an unknown filter was not added: {name}"
    req.mp_log.log(constants.APLOG_ERR, text, client=req.connection.client_addr, number=82)


def wanted(conf: Conf) -> bool:
    """Whether a configuration asks for filters."""
    return bool(
        conf[core.SET_OUTPUT_FILTER] or conf[core.SET_INPUT_FILTER] or conf[mime.ADD_OUTPUT_FILTER]
        or conf[mime.ADD_INPUT_FILTER] or conf[by_type.BY_TYPE] or conf[include.X_BIT_HACK] != "off"
    )  # fmt: skip


def needs_python(conf: Conf) -> bool:
    """Whether a filter that it asks for may be Python, so that its requests belong into an interpreter."""
    asked = _asked(conf)
    if (include.FILTER in asked or conf[include.X_BIT_HACK] != "off") and effective(conf) & Option.EXEC:
        return True  # its pages may hold Python
    return bool(asked & (conf[python.OUTPUT_FILTERS].keys() | conf[python.INPUT_FILTERS].keys()))


def _asked(conf: Conf) -> set[str]:
    texts: Iterable[str | None] = (
        conf[core.SET_OUTPUT_FILTER], conf[core.SET_INPUT_FILTER], *conf[mime.ADD_OUTPUT_FILTER].values(),
        *conf[mime.ADD_INPUT_FILTER].values(), *conf[by_type.BY_TYPE],
    )  # fmt: skip
    return {name for text in texts for name in _names(text)}


def first_spec(conf: Conf) -> python.HandlerSpec | None:
    """The first Python filter that a configuration asks for: PythonInterpPerDirective names the interpreter by it."""
    for asked in sorted(_asked(conf)):
        for setting in (python.OUTPUT_FILTERS, python.INPUT_FILTERS):
            if asked in conf[setting]:
                return conf[setting][asked]
    return None
