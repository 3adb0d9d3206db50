"""How a request ends: the rest of its response, an error page, ErrorDocument, or an internal redirect."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.api.output_filters import bypass
from mpserver.api.request import Request
from mpserver.api.response_head import BODILESS
from mpserver.errors import ClientGone
from mpserver.phases import errorpage

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
                req.finish()
        except ClientGone as error:
            self.gone(req, error)
        except (ValueError, OSError) as error:
            self._unsendable(req, error)

    def gone(self, req: Request, error: ClientGone) -> int:
        """The client left before the end of its response."""
        req._aborted()
        req._log.log(constants.APLOG_INFO, str(error), client=req.connection.client_addr)
        return OK

    def _unsendable(self, req: Request, error: Exception) -> None:
        """A head that can't be sent: answer 500 if nothing went out, else end the connection."""
        log_error(req, f"the response can't be sent: {error}")
        req._link.keep_alive = False
        if req._bytes_out:
            req._aborted()
            return
        req._started = False
        req._drop_parts()
        req._headers_out = req._err_headers_out = None
        req._status_line = None
        try:
            self.canned(req, constants.HTTP_INTERNAL_SERVER_ERROR)
        except ClientGone as gone:
            self.gone(req, gone)

    def die(self, req: Request, status: int) -> None:
        """Answer with a status other than what the handler wrote (httpd's ``ap_die``)."""
        if errorpage.sendable(status) != status or status < 200:
            log_error(req, f"{status} is no HTTP status: {req._uri} is answered with 500")
            status = constants.HTTP_INTERNAL_SERVER_ERROR
        req._original_status = status
        if req._started:
            self._too_late(req, status)
            return
        req._drop_parts()
        req._link.take_held()  # a flush that was interrupted before it took effect
        req._status = status
        if status in BODILESS:
            req.finish()
            return
        headers = req._headers_out
        kept = {name: headers.get(name) if headers else None for name in ("Location", "Allow")}
        req._headers_out = None
        req._status_line = None
        if kept["Location"] is not None and status < 400:
            req.headers_out["Location"] = kept["Location"]
        document = req._plan.error_documents.get(status)
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
        if req._finished:
            return  # the response is complete: nothing may follow it
        log_error(req, f"status {status} after the response began: {req._uri}")
        req._status = status  # (for the logs: the client was told another)
        if req._cut and (req._chunked or req._length_left):
            req._aborted()
            return
        if status not in BODILESS:
            bypass(req)
            req.write(errorpage.encode(errorpage.build(status, req)), 0)
        req.finish()

    def _document(self, req: Request, status: int, target: str) -> int:
        """ErrorDocument: text, another site, or a path of this server. :returns: 0, or the status it failed with."""
        document = errorpage.document(target)
        if document.kind == "text":
            req._content_type = errorpage.CONTENT_TYPE
            req.write(document.value.encode("latin-1", "xmlcharrefreplace"), 0)
            req.finish()
            return 0
        if document.kind == "canned":
            self.canned(req, status)
            return 0
        if document.kind == "url":
            req.headers_out["Location"] = document.value
            self.canned(req, constants.HTTP_MOVED_TEMPORARILY)
            return 0
        if req._prev is not None and req._prev._status >= 400:
            return status  # an error inside an error document
        return 0 if self.redirected(req, document.value, status) else constants.HTTP_INTERNAL_SERVER_ERROR

    def canned(self, req: Request, status: int, failed: int = 0, note: str = "") -> None:
        """The server's own page for a status; see `errorpage.build`."""
        req._status = status
        req._content_type = errorpage.CONTENT_TYPE
        req._content_encoding, req._content_languages = None, ()
        if status in (constants.HTTP_METHOD_NOT_ALLOWED, constants.HTTP_NOT_IMPLEMENTED):
            req.headers_out["Allow"] = errorpage.allow(req._allowed_methods)
        req.write(errorpage.encode(errorpage.build(status, req, note, failed)), 0)
        req.finish()


def log_error(req: Request, text: str) -> None:
    """A line of the server's own about a request."""
    req._log.log(constants.APLOG_ERR, text, client=req.connection.client_addr)
