"""A request that stands for another resource than its head named: of a redirect, an error document, an index, a part.

An internal redirect makes a second request, which takes the place of the first on the connection (manual 4.5.3), and
so does a part of a page for a while; the look-up of an index changes the request itself, and may be taken back.
"""

from __future__ import annotations

from mpserver.api.request_members import RequestMembers
from mpserver.api.table import Table
from mpserver.typing import Any, NamedTuple, Self

#: What a redirect's request takes over of a response that has begun.
BEGUN = (
    "mp_started", "mp_chunked", "mp_length_left", "mp_sent", "mp_bytes_out", "mp_waiting", "mp_has_file",
    "mp_own_chunks",
)  # fmt: skip

#: What the logs of the first request tell of the response that the second one gave.
ANSWERED = (
    "mp_bytes_out", "mp_sent", "mp_status", "mp_started", "mp_finished", "mp_content_type", "mp_headers_out",
)  # fmt: skip


class Tried(NamedTuple):
    """What a request was before the look-up of an index."""

    located: Any
    handler: str | None
    content_type: str | None
    content_encoding: str | None
    content_languages: tuple[str, ...]
    user: str | None
    ap_auth_type: str | None
    target: str | None


class RequestSuccession(RequestMembers):
    """The methods of a request by which it comes to stand for another resource; the phases call them."""

    __slots__ = ()

    def mp_settle(self, located: Any) -> None:
        """Give the request its resource and plan.

        :param located: what was found, a ``mpserver.phases.located.Located``.
        """
        self.mp_located = located
        self.mp_plan = located.plan
        resource = located.resource
        self.mp_uri = resource.uri
        if resource.handler is not None:
            self.mp_handler = resource.handler
        if resource.filename is not None:
            self.mp_filename = self.mp_canonical_filename = resource.filename
            self.mp_path_info = resource.path_info
            self.mp_stat = resource.finfo
            self.mp_finfo = None
            self.mp_is_directory = resource.is_directory

    # ---- internal redirects

    def mp_succeed(self, before: Self, target: str, args: str | None, status: int) -> None:
        """Take the place of a request, which is redirected; go on with its response, if that has begun.

        :param target: the URI that it leads to, and ``args`` its query.
        :param status: of the error that this is the document of; 0 for any other redirect.
        """
        self.mp_target, self.mp_args = target, args
        if before.mp_started:
            for name in BEGUN:
                setattr(self, name, getattr(before, name))
            self.mp_parts, before.mp_parts = before.mp_parts, []
        self.mp_prev, before.mp_next = before, self
        self.mp_main, self.mp_assbackwards = before.mp_main, before.mp_assbackwards
        self.mp_redirects = before.mp_redirects + 1
        self.mp_err_headers_out = before.mp_err_headers_out
        self.mp_table_in = before.mp_table_in
        environment = self.subprocess_env
        for name, value in before.mp_env.items() if before.mp_env else ():
            environment.add("REDIRECT_" + name, value)
        environment["REDIRECT_STATUS"] = str(status or before.mp_status)
        self.mp_status = status or before.mp_status
        if not status:
            self.mp_method, self.mp_input = before.mp_method, before.mp_input
            if self.mp_input is not None:
                from mpserver.api.input_filters import unfiltered  # (few redirects are of requests with bodies)

                self.mp_input = unfiltered(self.mp_input)
            return
        self.mp_method = "GET"  # (`header_only` says that the client wants no body)
        environment["REDIRECT_REQUEST_METHOD"] = before.mp_method

    def mp_take_user(self, other: Self) -> None:
        """Have the user of another request, and how that is known."""
        self.mp_user, self.mp_ap_auth_type = other.mp_user, other.mp_ap_auth_type

    def mp_adopt_response(self, successor: Self) -> None:
        """The request that took this one's place has ended the response, which is this one's for the logs."""
        for name in ANSWERED:
            setattr(self, name, getattr(successor, name))

    # ---- parts of pages

    def mp_become_part(self, page: Self, target: str, args: str | None, own: frozenset[str]) -> None:
        """Be a GET for another resource, whose body goes into a page (httpd's sub-requests).

        :param target: the raw path of the resource, and ``args`` its query.
        :param own: the headers, in lower case, that are about the request for the page alone.
        """
        self.mp_method, self.mp_header_only, self.mp_assbackwards = "GET", 0, 1
        self.mp_target, self.mp_args, self.mp_main = target, args, page
        self.mp_take_user(page)
        self.mp_table_in = Table.from_pairs([pair for pair in page.headers_in.pairs() if pair[0].lower() not in own])
        self.mp_env = Table.from_pairs(page.subprocess_env.pairs())

    # ---- look-ups of an index

    def mp_begin_lookup(self, uri: str) -> Tried:
        """Forget what the request is, to become the one for an index; its query stays. :returns: what it was."""
        before = Tried(
            self.mp_located, self.mp_handler, self.mp_content_type, self.mp_content_encoding,
            self.mp_content_languages, self.mp_user, self.mp_ap_auth_type, self.mp_target,
        )  # fmt: skip
        self.mp_handler = self.mp_content_type = self.mp_content_encoding = None
        self.mp_content_languages = ()
        self.mp_user = self.mp_ap_auth_type = self.mp_filename = self.mp_path_info = None
        self.mp_is_directory = False
        self.mp_target = uri if self.mp_args is None else f"{uri}?{self.mp_args}"
        return before

    def mp_leave_lookup(self, before: Tried) -> None:
        """Found or not: the target and the user are those of the directory, whoever may see the index."""
        self.mp_user, self.mp_ap_auth_type, self.mp_target = before.user, before.ap_auth_type, before.target

    def mp_undo_lookup(self, before: Tried) -> None:
        """There is no such index: be the request for the directory again."""
        self.mp_settle(before.located)
        self.mp_handler, self.mp_content_type = before.handler, before.content_type
        self.mp_content_encoding, self.mp_content_languages = before.content_encoding, before.content_languages
