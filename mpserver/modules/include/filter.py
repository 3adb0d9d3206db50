"""The output filter INCLUDES: `mpserver.modules.include` with the server around it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from mpserver.api import constants
from mpserver.api.constants import SERVER_RETURN
from mpserver.api.error_log import WARN
from mpserver.api.filter_object import OutputFilterObject
from mpserver.api.handler_list import HandlerEntry
from mpserver.api.output_filters import MORE, BytesFilter, OutputFilter
from mpserver.api.parts import Part, pieces
from mpserver.modules import include
from mpserver.modules.core.options import Option, effective
from mpserver.modules.include import page as ssi_page
from mpserver.modules.python import application_errors, guard
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from mpserver.api.loader import Loader
    from mpserver.api.plan import RequestPlan
    from mpserver.api.request import Request

#: Puts bytes into the page.
Write = Callable[[bytes], None]


def keeps_time(req: Request) -> bool:
    """Whether the file's time is the page's."""
    return bool(req.mp_plan.conf[include.LAST_MODIFIED]) or by_group(req)


def by_group(req: Request) -> bool:
    """Whether a file's group may execute it, under XBitHack Full."""
    if req.mp_plan.conf[include.X_BIT_HACK] != "full" or req.mp_stat is None:
        return False
    return bool(req.mp_stat.st_mode & stat.S_IXGRP)


def applies(req: Request) -> bool:
    """Whether the filter works on a response; else it says why, and lets the page through as it is."""
    if effective(req.mp_plan.conf) & Option.INCLUDES:
        return True
    text = f"mod_include: Options +Includes (or IncludesNoExec) wasn't set, INCLUDES filter removed: {req.mp_uri}"
    req.mp_log.log(WARN, text, module="include", about=req, number=1374)
    return False


class ElementFilter(NamedTuple):
    """What the filter object of the element ``python`` says of its filter; see `mpserver.api.filter_object`."""

    name: str = include.FILTER
    handler: str | None = None
    directory: str | None = None


class Includes(BytesFilter):
    """The filter; its page is a `ssi_page.Document`. Implements `ssi_page.Services`, too."""

    def __init__(self, req: Request) -> None:
        super().__init__(req)
        self._document: ssi_page.Document | None = None
        self._applies = applies(req)
        #: What the file has that its page has not: for what that shows changes without the file.
        self._left = ["Content-Length"]
        if not self._applies:
            return
        if not req.mp_plan.conf[include.ETAG]:
            self._left.append("ETag")
        if not keeps_time(req):
            self._left.append("Last-Modified")
        if not by_group(req):
            req.mp_no_local_copy = 1  # (as in httpd, whatever a page is told to have)

    def begin(self) -> bool:
        """See `BytesFilter.begin`."""
        if not self._applies:
            return False
        req = self.req
        if req.mp_headers_out is not None:
            for name in self._left:
                del req.mp_headers_out[name]
        self._document = ssi_page.Document(req, req.mp_plan.conf, self.emit, self)
        return True

    def feed(self, data: bytes) -> None:
        """See `BytesFilter.feed`."""
        assert self._document is not None
        self._document.feed(data)

    def end(self) -> None:
        """See `BytesFilter.end`."""
        assert self._document is not None
        self._document.close()

    # ---- what elements ask for

    def include(self, uri: str, write: Write, *, script: bool) -> int:
        """See `ssi_page.Services`."""
        status: int = self.req.mp_plan.subrequests.include(self.req, uri, write, script=script)
        return status

    def find(self, uri: str) -> os.stat_result | None:
        """See `ssi_page.Services`."""
        found: os.stat_result | None = self.req.mp_plan.subrequests.find(self.req, uri)
        return found

    def python(self, kind: str, code: str, write: Write) -> None:
        """See `ssi_page.Services` (api 3.5 1.15)."""
        req: Any = self.req
        if not hasattr(req, "ssi_globals"):
            req.ssi_globals = {}
        given = OutputFilterObject(req, ElementFilter(), [], MORE, Into(req, write))
        names = req.ssi_globals
        names["filter"], names["__file__"] = given, req.filename
        plan = req.mp_plan
        try:
            guard.call(ELEMENTS, Element(kind, code, names), req, plan, plan.loader, given)
            req.mp_ran = True
        finally:
            if given.mp_waiting:
                given.mp_pass(MORE)


class Element:
    """The code of one element ``python`` of a page. Implements `guard.Code`."""

    def __init__(self, kind: str, code: str, names: dict[str, Any]) -> None:
        self._kind, self._code, self._names = kind, code, names
        self.entry = HandlerEntry(include.FILTER, None, False, False)

    def resolve(
        self, plan: RequestPlan, loader: Loader, now: float, argument: OutputFilterObject
    ) -> Callable[[Any], None]:
        """See `guard.Code.resolve`. :raises SyntaxError: and what else compiling raises, and PythonPath."""
        if loader.path != plan.python_path:
            loader.set_path(plan.python_path, None)
        compiled = compile(self._code, f"<{self._kind} of {argument.req.filename}>", self._kind, dont_inherit=True)

        def evaluate(given: OutputFilterObject) -> None:
            result = eval(compiled, self._names)  # noqa: S307 - an expression of the page, where the configuration allows it
            if result is not None:
                given.write(str(result))

        return evaluate


class ElementKind(guard.CodeKind):
    """Elements ``python`` of pages; what they write goes to the filter object that they are called with."""

    __slots__ = ()

    begins = False

    def returned(self, argument: OutputFilterObject, raised: SERVER_RETURN) -> NoReturn:
        """See `CodeKind.returned`; an element has no result: to it this is an error as any other."""
        raise raised

    def checked(self, code: Element, result: Any) -> int:
        """See `CodeKind.checked`."""
        return constants.OK

    def failed(
        self, code: Element, plan: RequestPlan, argument: OutputFilterObject, error: BaseException, repeated: bool
    ) -> NoReturn:
        """See `CodeKind.failed`. :raises Fault: the page shows it."""
        req = argument.req
        prefix = f"{include.FILTER} {req.mp_filename}"
        told = application_errors.tell(error, prefix, req.mp_log, req)
        if plan.debug and not argument.closed:
            argument.write(application_errors.page(prefix, told.parts))
        raise ssi_page.Fault(f"the element python failed in {req.mp_filename}: {told.headline}")


ELEMENTS = ElementKind()


class Into(OutputFilter):
    """What the code of an element writes goes into the page."""

    def __init__(self, req: Request, write: Write) -> None:
        super().__init__(req)
        self._write = write

    def take(self, parts: list[Part], mark: int) -> None:
        """See `OutputFilter.take`."""
        for data in pieces(parts):
            if data:
                self._write(data)
