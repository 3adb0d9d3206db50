"""The request object (manual 4.5.3; api 3.5): ``req``, for applications and engine alike.

`RequestMembers` has what it holds, `RequestConfig` what it tells of its configuration, `RequestSuccession` how it
comes to stand for another resource; the services are here.
"""

from __future__ import annotations

import builtins
import math
import time
from collections.abc import Callable, Sequence
from importlib import import_module

from mpserver import lazy
from mpserver.api import constants, entity_tag
from mpserver.api import uri as uri_module
from mpserver.api.members import message as log_text
from mpserver.api.members import named, string, text
from mpserver.api.request_config import RequestConfig
from mpserver.api.request_succession import RequestSuccession
from mpserver.builtin import index
from mpserver.http1.dates import http_date
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api import cgi_variables
    from mpserver.http1 import conditions
else:
    conditions = lazy.module("mpserver.http1.conditions")
    cgi_variables = lazy.module("mpserver.api.cgi_variables")


@named("mp_request")
class Request(RequestConfig, RequestSuccession):
    """One request, from its head to its log line. Applications may add attributes of their own."""

    __slots__ = ()

    def log_error(self, message: str | None, level: int = constants.APLOG_ERR) -> None:
        """Write a line with the client's address to the error log."""
        self.mp_log.log(index(level), log_text(message), module="python", about=self)

    def register_cleanup(self, callable: Callable[[Any], Any], data: Any = None) -> None:
        """Call ``callable(data)`` at the very end of the request.

        :raises ValueError: the function can't be called.
        :raises RuntimeError: the request has ended already, and a thread of it goes on.
        """
        if not builtins.callable(callable):
            raise ValueError("first argument must be a callable object")
        # (setdefault is atomic: threads that come here together get the same list)
        self.__dict__.setdefault("mp_cleanups", []).append((callable, data))
        if getattr(self, "mp_is_over", False):
            raise RuntimeError(
                "the request has ended, and what is registered with it now is never called: end the threads that use "
                "it (a session, too) before the handler returns"
            )

    def internal_redirect(self, new_uri: str) -> None:
        """Serve another URI of this server in place of this one (manual 4.5.3)."""
        self.mp_plan.redirect(self, string(1, new_uri))

    def construct_url(self, uri: str) -> str:
        """An absolute URL of this server for a path."""
        return cgi_variables.construct_url(self, string(1, uri))

    def add_common_vars(self) -> None:
        """Fill `subprocess_env` with CGI's variables but those of the request line (api 3.5)."""
        cgi_variables.add_common_vars(self)

    def add_cgi_vars(self) -> None:
        """Fill `subprocess_env` with all of CGI's variables (RFC 3875)."""
        cgi_variables.add_cgi_vars(self)

    def allow_methods(self, methods: Sequence[str | bytes], reset: int = 0) -> None:
        """Name methods for the Allow header of a 405 or 501 (manual 4.5.3)."""
        if reset:
            self.mp_allowed, self.mp_allowed_methods = 0, ()
        if not isinstance(methods, Sequence):
            raise TypeError("First argument must be a sequence")
        for name in methods:
            name = text("method", name)
            number = constants.METHOD_NUMBERS.get(name)
            if number is not None:
                self.mp_allowed |= 1 << number
            if name not in self.mp_allowed_methods:
                self.mp_allowed_methods += (name,)

    def build_wsgi_env(self) -> dict[str, Any] | None:
        """The environ of a WSGI application at this place; None for a URI outside its base (api 3.5 1.15, 2.1).

        `path_info` becomes what the application has below it.
        """
        environ: dict[str, Any] | None = import_module("mod_python.wsgi").environ(self)
        return environ

    def wsgi_start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """The ``start_response`` of that application. :returns: its ``write``.

        :raises AssertionError, TypeError, ValueError: as PEP 3333 and `mod_python.wsgi` have it.
        """
        answer: Callable[..., Callable[[bytes], None]] = import_module("mod_python.wsgi").exchange(self).start_response
        return answer(status, headers, exc_info)

    def send_http_header(self) -> None:
        """Nothing: the head is sent with the first output."""

    def update_mtime(self, dependency_mtime: float) -> None:
        """Make `mtime` as late as this, in whole seconds since the epoch, if it is earlier."""
        self.mp_mtime = max(self.mp_mtime, float(int(math.fabs(dependency_mtime))))

    def set_last_modified(self) -> None:
        """Set Last-Modified from `mtime`, never in the future (RFC 9110 8.8.2.1)."""
        self.headers_out["Last-Modified"] = http_date(min(self.mp_mtime, time.time()))

    def set_etag(self) -> None:
        """Set ETag by the file, as FileETag says."""
        info = self.finfo
        if info.filetype == constants.APR_REG and self.mp_stat and self.mp_filename is not None:
            etag = entity_tag.etag(self.mp_plan.file_etag, self.mp_filename, self.mp_stat)
            if etag is not None:
                self.headers_out["ETag"] = etag

    def meets_conditions(self) -> int:
        """OK, or the status that answers the request's conditions (manual 4.5.3; RFC 9110 13.2)."""
        if self.mp_no_local_copy or not 200 <= self.mp_status < 300:
            return constants.OK
        headers = self.mp_headers_out
        etag = headers.get("ETag") if headers else None
        modified = headers.get("Last-Modified") if headers else None
        return uri_module.conditions(
            conditions.evaluate, self.mp_method, self.headers_in, etag, modified, self.mp_mtime
        )

    # For the engine: an application may have put something of its own in the place of a method.
    mp_add_cgi_vars = add_cgi_vars
    mp_allow_methods = allow_methods
    mp_construct_url = construct_url
    mp_internal_redirect = internal_redirect
    mp_log_error = log_error
    mp_meets_conditions = meets_conditions
    mp_register_cleanup = register_cleanup
    mp_set_last_modified = set_last_modified
    mp_update_mtime = update_mtime
