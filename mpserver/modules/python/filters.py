"""Filters that are Python: calling them, and their places among the filters of a request (manual 4.3 and 5.2)."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.api.constants import SERVER_RETURN
from mpserver.api.filter_object import Filter, InputFilterObject, OutputFilterObject
from mpserver.api.handler_list import HandlerEntry
from mpserver.api.input_filters import InputFilter
from mpserver.api.output_filters import EOS, FLUSH, OutputFactory, OutputFilter, install
from mpserver.api.parts import Part, close_files
from mpserver.modules.core.errorpage import page
from mpserver.modules.hooks import InputFactory
from mpserver.modules.python import HandlerSpec, application_errors, directory_for, guard, moving
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.loader import Loader
    from mpserver.api.plan import RequestPlan
    from mpserver.api.request import Request
    from mpserver.modules.python.handlers import Handler


class PythonFilter(NamedTuple):
    """A filter that an application has; see `mpserver.api.filter_object.FilterInfo`."""

    name: str
    handler: str
    directory: str | None
    run: Handler


class FilterKind(guard.CodeKind):
    """Filters; what they are called with is the `Filter` object. Their results do not count."""

    __slots__ = ()

    noun = "filter"
    begins = False

    def returned(self, argument: Filter, raised: SERVER_RETURN) -> int:
        """See `CodeKind.returned`; only its status counts."""
        if len(raised.args) == 2 and raised.args[1]:
            argument.req.status = raised.args[1]
        if not raised.args or type(raised.args[0]) is not int:
            kind = type(raised.args[0] if raised.args else None)
            text = f"Value raised with SERVER_RETURN is invalid. It is a {kind}, but it must be a tuple or an int."
            argument.req.mp_log.log(constants.APLOG_ERR, text, module="python", about=argument.req)
        return constants.OK

    def checked(self, code: Handler, result: Any) -> int:
        """See `CodeKind.checked`."""
        return constants.OK

    def failed(
        self, code: Handler, plan: RequestPlan, argument: Filter, error: BaseException, repeated: bool
    ) -> int | None:
        """See `CodeKind.failed`; with PythonDebug a page is written through it. :returns: None."""
        if isinstance(error, SERVER_RETURN):  # while it was loaded, or by the class that it is
            return self.returned(argument, error)
        req = argument.req
        prefix = f"{argument.name} {argument.handler}"
        loading = moving.is_loading(error.__traceback__)
        told = application_errors.tell(error, prefix, req.mp_log, req, loading=loading)
        argument.disable()
        if plan.debug and not argument.closed:
            application_errors.prepare_page(req)
            argument.write(application_errors.page(prefix, told.parts))
        return None


FILTERS = FilterKind()


class Caller:
    """Calls one Python filter of one request, as often as it is needed."""

    def __init__(self, req: Request, plan: RequestPlan, loader: Loader, called: PythonFilter) -> None:
        self.req, self.plan, self.loader, self.called = req, plan, loader, called

    def call(self, given: Filter) -> bool:
        """Call it.

        :returns: False where it failed: the log says why, and with PythonDebug a page is written through it.
        :raises ClientGone: nobody is there to get what it writes.
        """
        return guard.call(FILTERS, self.called.run, self.req, self.plan, self.loader, given) is not None


class PythonOutput(OutputFilter):
    """A Python filter in the chain."""

    needs_python = True

    def __init__(self, caller: Caller) -> None:
        super().__init__(caller.req)
        self._caller = caller
        self._transparent = False
        self._ended = False

    def move(self, req: Request) -> None:
        """See `OutputFilter.move`."""
        super().move(req)
        self._caller.req = req

    def take(self, parts: list[Part], mark: int) -> None:
        """See `OutputFilter.take`."""
        if self._ended:
            close_files(parts)  # the filter has closed the stream: nothing may follow
            return
        if self._transparent:
            self.next.take(parts, mark)
            return
        given = OutputFilterObject(self.req, self._caller.called, parts, mark, self.next)
        try:
            sound = self._caller.call(given)
            if sound and given.mp_disabled and not given.closed:
                given.pass_on()
        finally:
            given.mp_leave()
        self._transparent = given.mp_disabled
        if not sound and not self._caller.plan.debug:
            self._ended = True
            install(self.req, page).sink.fail(constants.HTTP_INTERNAL_SERVER_ERROR)
        elif mark == EOS or given.closed:
            self._ended = True
            given.close()
        elif mark == FLUSH or given.mp_waiting:
            given.flush()


class PythonInput:
    """A Python filter of a request's body; see `InputFilter`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        #: The next filter, nearer to the client.
        self.upstream: InputFilter
        #: What it has not read yet of what came; None: the end has come.
        self._rest: bytes | None = b""
        self._failed = False
        self._transparent = False
        self._ended = False

    def move(self, req: Request) -> None:
        """See `InputFilter.move`."""
        self._caller.req = req

    def more(self) -> bytes | None:
        """See `InputFilter.more`.

        :raises IOError: the filter failed: what is left of the body is not to be trusted.
        """
        while not self._ended:
            if self._transparent:
                rest, self._rest = self._rest, b""
                return rest or self.upstream.more()
            given = InputFilterObject(self._caller.req, self._caller.called, self.upstream.more, self._rest)
            if self._failed or not self._caller.call(given):
                self._failed = True
                raise OSError("Input filter read error")
            self._rest = given.mp_rest
            self._transparent = given.mp_disabled
            # (one that does nothing at all would do so for ever; that it is disabled is something)
            idle = not given.mp_touched and not self._transparent
            self._ended = bool(given.closed) or self._rest is None or idle
            if given.mp_written:
                return given.mp_written
        return None


class Missing(OutputFilter):
    """A Python filter that the configuration has, but not for this request: nothing may pass without it."""

    def take(self, parts: list[Part], mark: int) -> None:
        """See `OutputFilter.take`."""
        close_files(parts)
        if not self.req.mp_finished:
            text = "python_filter: Could not find registered filter."
            self.req.mp_log.log(constants.APLOG_ERR, text, module="python", about=self.req)
            install(self.req, page).sink.fail(constants.HTTP_INTERNAL_SERVER_ERROR)


#: The name that filters have which a request registered itself.
DYNAMIC = "mod_python"


class FilterMaker:
    """Makes the Python filters of a plan for its requests."""

    def __init__(self, plan: RequestPlan, loader: Loader) -> None:
        self._plan, self._loader = plan, loader

    def configured(self, name: str, spec: HandlerSpec, filename: str | None, directive: str) -> PythonFilter:
        """A filter by its directive; ``filename``: of a request, for the directories of patterns."""
        entry = HandlerEntry(spec.handler, directory_for(spec, filename), spec.is_location, False)
        return PythonFilter(name, entry.handler, entry.directory, self._plan.handler(entry, directive))

    def registered_output(self, handler: str, directory: str | None) -> OutputFactory:
        """See `mpserver.modules.hooks.RegisteredFilters`."""
        return self.output(self._registered(handler, directory, "PythonOutputFilter"))

    def registered_input(self, handler: str, directory: str | None) -> InputFactory:
        """See `mpserver.modules.hooks.RegisteredFilters`."""
        return self.input(self._registered(handler, directory, "PythonInputFilter"))

    def _registered(self, handler: str, directory: str | None, directive: str) -> PythonFilter:
        entry = HandlerEntry(handler, directory, False, False)
        return PythonFilter(DYNAMIC, handler, directory, self._plan.handler(entry, directive))

    def output(self, found: PythonFilter) -> OutputFactory:
        """What makes a filter of the response."""
        return lambda req: PythonOutput(Caller(req, self._plan, self._loader, found))

    def input(self, found: PythonFilter) -> InputFactory:
        """What makes a filter of the body."""
        return lambda req: PythonInput(Caller(req, self._plan, self._loader, found))
