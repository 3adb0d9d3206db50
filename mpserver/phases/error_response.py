"""How a request ends: the rest of its response, an error page, ErrorDocument, or an internal redirect."""

from __future__ import annotations

from mpserver import lazy
from mpserver.api import constants
from mpserver.api.request import Request
from mpserver.api.response_head import BODILESS, STATUSES
from mpserver.errors import ClientGone
from mpserver.http1.percent import sendable
from mpserver.modules.python import application_errors
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api import output_filters
    from mpserver.config.expression import Expression
    from mpserver.modules.core import errorpage
else:
    errorpage = lazy.module("mpserver.modules.core.errorpage")
    output_filters = lazy.module("mpserver.api.output_filters")

OK, DECLINED, DONE = constants.OK, constants.DECLINED, constants.DONE


class Answers:
    """The endings that a pipeline gives to its requests."""

    def redirected(self, req: Request, uri: str, status: int) -> bool:
        """Serve another URI in place of the request; with ``status`` as the document of that error.

        :returns: False where that failed and nothing was sent.
        """
        raise NotImplementedError

    def end(self, req: Request, status: int) -> None:
        """Send what is left of the response: DONE and OK, or the answer for a status."""
        try:
            if status and status != DONE:
                self.die(req, status)
            else:
                req.mp_finish()
        except ClientGone as error:
            self.gone(req, error)
        except Exception as error:  # (values of an application's own types may raise anything as they become text)
            self._unsendable(req, error)

    def gone(self, req: Request, error: ClientGone) -> int:
        """The client left before the end of its response."""
        req.mp_aborted()
        req.mp_log.log(constants.APLOG_INFO, str(error), about=req)
        return OK

    def _unsendable(self, req: Request, error: Exception) -> None:
        """A head that can't be sent: answer 500 if nothing went out, else end the connection."""
        if isinstance(error, (ValueError, OSError)):
            log_error(req, f"the response can't be sent: {error}")
        else:
            prefix = f"the response to {req.mp_uri} can't be sent"
            application_errors.tell(error, prefix, req.mp_log, req)
        req.mp_link.keep_alive = False
        if req.mp_bytes_out:
            req.mp_aborted()
            return
        req.mp_started = False
        req.mp_drop_parts()
        req.mp_before_head = ()  # (they may be what is wrong with it)
        req.mp_headers_out = req.mp_err_headers_out = req.mp_own_chunks = None
        req.mp_status_line = None
        try:
            self.canned(req, constants.HTTP_INTERNAL_SERVER_ERROR)
        except ClientGone as gone:
            self.gone(req, gone)

    def die(self, req: Request, status: int) -> None:
        """Answer with a status other than what the handler wrote (httpd's ``ap_die``)."""
        if status not in STATUSES or status < 200:
            log_error(req, f"{status} is no HTTP status: {req.mp_uri} is answered with 500")
            status = constants.HTTP_INTERNAL_SERVER_ERROR
        req.mp_original_status = status
        if req.mp_started:
            self._too_late(req, status)
            return
        req.mp_drop_parts()
        req.mp_answer_itself()
        req.mp_link.take_held()  # a flush that was interrupted before it took effect
        req.mp_status = status
        if status in BODILESS:
            req.mp_finish()
            return
        headers = req.mp_headers_out
        location = headers.get("Location") if headers and status < 400 else None
        req.mp_headers_out = None
        req.mp_drop_framing()
        if not req.mp_proxyreq:  # (the phrase of another server stays, as in httpd)
            req.mp_status_line = None
        if location is not None:
            req.headers_out["Location"] = location
        document = req.mp_plan.error_documents.get(status)
        failed = 0
        if document is not None:
            failed = self._document(req, status, document)
            if not failed:
                return
        self.canned(req, status, 0 if failed == status else failed)

    def _too_late(self, req: Request, status: int) -> None:
        """The head is out: as with httpd, the page follows what was sent, as far as a Content-Length allows.

        204 and 304 have no page: the response ends with what it has.

        A response that the server itself ended is cut instead, so that the client sees that it is not whole.
        """
        if req.mp_finished:
            return  # the response is complete: nothing may follow it
        log_error(req, f"status {status} after the response began: {req.mp_uri}")
        req.mp_status = status  # (for the logs: the client was told another)
        if req.mp_cut and (req.mp_chunked or req.mp_length_left or req.mp_own_chunks is not None):
            req.mp_aborted()
            return
        if status not in BODILESS and req.mp_own_chunks is None:
            if req.mp_chain is not None:
                output_filters.bypass(req)
            req.mp_write(errorpage.page(req, status), 0)
        req.mp_finish()

    def _document(self, req: Request, status: int, target: str | Expression) -> int:
        """ErrorDocument: text, another site, or a path of this server. :returns: 0, or the status it failed with."""
        if not isinstance(target, str):
            from mpserver.modules import expressions  # (few have variables in them)

            # (an error names no headers that it depends on, as in httpd: nobody is to keep it)
            target = expressions.text(target, expressions.RequestFacts(req))
        document = errorpage.document(target)
        if document.kind == "text":
            _be_page(req, status)
            req.mp_write(document.value.encode("latin-1", "xmlcharrefreplace"), 0)
            req.mp_finish()
            return 0
        if document.kind == "canned":
            self.canned(req, status)
            return 0
        if document.kind == "url":
            req.headers_out["Location"] = sendable(document.value)
            self.canned(req, constants.HTTP_MOVED_TEMPORARILY)
            return 0
        if req.mp_prev is not None and req.mp_prev.mp_status >= 400:
            return status  # an error inside an error document
        return 0 if self.redirected(req, document.value, status) else constants.HTTP_INTERNAL_SERVER_ERROR

    def canned(self, req: Request, status: int, failed: int = 0, note: str = "") -> None:
        """The server's own page for a status; see `errorpage.build`."""
        req.mp_status = status
        _be_page(req, status)
        req.mp_write(errorpage.page(req, status, note, failed), 0)
        req.mp_finish()


def _be_page(req: Request, status: int) -> None:
    """The body is what the server itself says of a status: what was known of the content's does not hold for it."""
    req.mp_content_type = errorpage.CONTENT_TYPE
    req.mp_content_encoding, req.mp_content_languages = None, ()
    if status in (constants.HTTP_METHOD_NOT_ALLOWED, constants.HTTP_NOT_IMPLEMENTED):
        errorpage.tell_methods(req, req.mp_allowed_methods)


def log_error(req: Request, text: str) -> None:
    """A line of the server's own about a request."""
    req.mp_log.log(constants.APLOG_ERR, text, about=req)
