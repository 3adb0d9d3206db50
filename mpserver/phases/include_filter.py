"""The output filter INCLUDES: `mpserver.modules.include` with the server around it."""

from __future__ import annotations

import html
import os

from mpserver.api import constants
from mpserver.api.filter_object import OutputFilterObject
from mpserver.api.output_filters import MORE, BytesFilter, OutputFilter
from mpserver.api.parts import Part, pieces
from mpserver.errors import ClientGone, Misplaced
from mpserver.modules import include, ssi_page
from mpserver.phases.application_errors import describe
from mpserver.phases.dispatch import move_or_stay
from mpserver.phases.timeouts import RequestTimeout
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.phases.subrequests import Write


class Facts(NamedTuple):
    """What the filter object of the element ``python`` says of its filter; see `mpserver.api.filter_object.Facts`."""

    name: str = include.FILTER
    handler: str | None = None
    directory: str | None = None


class Includes(BytesFilter):
    """The filter; its page is a `elements.Document`. Implements `elements.Services`, too."""

    def __init__(self, req: Request) -> None:
        super().__init__(req)
        self._document: ssi_page.Document | None = None
        self._applies = include.applies(req)
        self._keeps_time = self._applies and include.keeps_time(req)
        if self._applies and not self._keeps_time:
            req.mp_no_local_copy = 1  # what a page shows changes without its file

    def begin(self) -> bool:
        """See `BytesFilter.begin`."""
        if not self._applies:
            return False
        req = self.req
        if req.mp_headers_out is not None:
            for name in ("ETag", "Content-Length") if self._keeps_time else ("Last-Modified", "ETag", "Content-Length"):
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
        """See `elements.Services`."""
        status: int = self.req.mp_plan.subrequests.include(self.req, uri, write, script=script)
        return status

    def find(self, uri: str) -> os.stat_result | None:
        """See `elements.Services`."""
        found: os.stat_result | None = self.req.mp_plan.subrequests.find(self.req, uri)
        return found

    def python(self, kind: str, code: str, write: Write) -> None:
        """See `elements.Services` (api 3.5 1.15)."""
        req: Any = self.req
        if not hasattr(req, "ssi_globals"):
            req.ssi_globals = {}
        given = OutputFilterObject(req, Facts(), [], MORE, Into(req, write))
        names = req.ssi_globals
        names["filter"], names["__file__"] = given, req.filename
        try:
            compiled = compile(code, f"<{kind} of {req.filename}>", kind, dont_inherit=True)
            if kind == "eval":
                result = eval(compiled, names)
                if result is not None:
                    given.write(str(result))
            else:
                exec(compiled, names)
            req.mp_ran = True
        except (RequestTimeout, ClientGone, Misplaced):
            raise
        except BaseException as error:  # a page may raise anything; it harms only its own request
            loader = req.mp_plan.loader
            if loader is not None and loader.may_move:
                move_or_stay(req, loader, error)
            self._failed(given, error)
        finally:
            if given.mp_waiting:
                given.mp_pass(MORE)

    def _failed(self, given: OutputFilterObject, error: BaseException) -> None:
        req = self.req
        text = describe(error)
        for part in text:
            line = f"{include.FILTER} {req.mp_filename}: {part.rstrip()}"
            req.mp_log.log(constants.APLOG_ERR, line, module="python", client=req.connection.client_addr)
        if req.mp_plan.debug and not given.closed:
            shown = html.escape("".join(part + "\n" for part in text))
            given.write(f'\n<pre>\nMod_python error: "{include.FILTER} {req.mp_filename}"\n\n{shown}</pre>\n')
        raise ssi_page.Fault(f"the element python failed in {req.mp_filename}: {text[-1].strip()}")


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
