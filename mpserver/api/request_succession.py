"""A request that stands for another resource than its head named: of a redirect, an error document, an index, a part.

An internal redirect makes a second request, which takes the place of the first on the connection (manual 4.5.3). A
sub-request, for a part of a page or the look-up of an index, stands beside its main request, which may then go on as
the one that was looked up.
"""

from __future__ import annotations

from mpserver.api.file_info import FileInfo
from mpserver.api.own_settings import Changes, OwnSettings
from mpserver.api.request_members import RequestMembers
from mpserver.api.table import HeaderTable, Table
from mpserver.typing import Any, Self

#: What a redirect's request takes over of a response that has begun.
BEGUN = (
    "mp_started", "mp_head_sent", "mp_chunked", "mp_length_left", "mp_sent", "mp_bytes_out", "mp_waiting",
    "mp_has_file", "mp_own_chunks", "mp_finished",
)  # fmt: skip


#: What a request has of the look-up whose place it takes; and what few have set.
FOUND = (
    "mp_located", "mp_plan",
    "mp_uri", "mp_filename", "mp_canonical_filename", "mp_path_info", "mp_args", "mp_stat", "mp_finfo",
    "mp_is_directory", "mp_handler", "mp_content_type", "mp_content_type_set", "mp_content_encoding",
    "mp_content_languages",
)  # fmt: skip
RARELY_FOUND = ("mp_mtime", "mp_proxyreq", "mp_used_path_info", "mp_extension", "mp_read_length", "mp_rewriting_ended")


class RequestSuccession(RequestMembers):
    """The methods of a request by which it comes to stand for another resource; the phases call them."""

    __slots__ = ()

    #: The user and the kind of authentication that a process of another account has named; they count where a phase of
    #: such a process may have found them.
    mp_claimed: tuple[str | None, str | None] | None = None

    @property
    def mp_first(self) -> Self:
        """The first of the requests that led to this one by redirects."""
        req = self
        while req.mp_prev is not None:
            req = req.mp_prev
        return req

    @property
    def mp_last(self) -> Self:
        """What this request was redirected to in the end: that has the response."""
        req = self
        while req.mp_next is not None:
            req = req.mp_next
        return req

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

        :param target: the URI that it leads to, and ``args`` its query, both raw.
        :param status: of the error that this is the document of; 0 for any other redirect.
        """
        self.mp_target, self.mp_args = target, args
        if before.mp_started:
            for name in BEGUN:
                setattr(self, name, getattr(before, name))
            self.mp_parts, before.mp_parts, before.mp_waiting = before.mp_parts, [], 0
        self.mp_prev, before.mp_next, before.mp_heir = before, self, self
        self.mp_plan, self.mp_uri = before.mp_plan, before.mp_uri  # (until it has its own, or an error before that)
        self.mp_main, self.mp_assbackwards = before.mp_main, before.mp_assbackwards
        self.mp_redirects, self.mp_head_depends = before.mp_redirects + 1, before.mp_head_depends
        self.mp_err_headers_out = before.mp_err_headers_out
        self.mp_table_in = before.mp_table_in
        environment = self.subprocess_env
        for name, value in before.mp_env.items() if before.mp_env else ():
            if value is not None:
                environment.add("REDIRECT_" + name, value)
        environment["REDIRECT_STATUS"] = str(status or before.mp_status)
        self.mp_status = status or before.mp_status
        if status:
            environment["REDIRECT_REQUEST_METHOD"] = before.mp_method
            if before.mp_method != "HEAD":
                before.mp_method = "GET"  # (in httpd it is the first request that becomes one, and hands that on)
        self.mp_method, self.mp_read_length = before.mp_method, before.mp_read_length
        if before.mp_input is not None and not (status and before.mp_input.broken):
            from mpserver.api.input_filters import unfiltered  # (few redirects are of requests with bodies)

            self.mp_input = unfiltered(before.mp_input)

    def mp_take_user(self, other: Self) -> None:
        """Have the user of another request, and how that is known."""
        self.mp_user, self.mp_ap_auth_type = other.mp_user, other.mp_ap_auth_type

    def mp_adopt_response(self, successor: Self) -> None:
        """The request that took this one's place has the response: nothing can be sent for this one any more."""
        self.mp_heir = None
        if not self.mp_finished:  # (else there was a response before that)
            self.mp_started, self.mp_finished = successor.mp_started, successor.mp_finished

    # ---- what handlers have changed of its settings

    @property
    def mp_option_changes(self) -> Changes:
        """What they have set of its PythonOptions."""
        return () if self.mp_options is None else self.mp_options.changes()

    @mp_option_changes.setter
    def mp_option_changes(self, changes: Changes) -> None:
        if changes:
            self.mp_options = OwnSettings(self.mp_plan.option_pairs, changes)

    @property
    def mp_config_changes(self) -> Changes:
        """What they have set of its Python directives."""
        return () if self.mp_config is None else self.mp_config.changes()

    @mp_config_changes.setter
    def mp_config_changes(self, changes: Changes) -> None:
        if changes:
            self.mp_config = OwnSettings(self.mp_plan.config_pairs, changes)

    @property
    def mp_told_finfo(self) -> tuple[Any, ...] | None:
        """What they have set `finfo` to, as long as it holds."""
        own = self.mp_own_finfo
        return None if own is None or own is not self.mp_finfo else own.pack()

    @mp_told_finfo.setter
    def mp_told_finfo(self, packed: tuple[Any, ...] | None) -> None:
        if packed is not None:
            self.mp_finfo = self.mp_own_finfo = FileInfo.unpack(packed)

    # ---- sub-requests

    def mp_become_part(self, main: Self, target: str, args: str | None) -> None:
        """Be a GET for another resource, which a request makes for itself (httpd's sub-requests).

        :param target: the raw path of the resource, and ``args`` its raw query.
        """
        self.mp_method, self.mp_header_only, self.mp_assbackwards = "GET", 0, 1
        self.mp_target, self.mp_args, self.mp_main = target if args is None else f"{target}?{args}", args, main
        self.mp_read_length = main.mp_read_length

    def mp_share_body(self, main: Self) -> None:
        """Be able to read the main request's body, and filter it; one that it filters itself stays with it alone."""
        if main.mp_input is not None:
            from mpserver.api.input_filters import unfiltered  # (as above)

            if unfiltered(main.mp_input) is main.mp_input:
                self.mp_input = main.mp_input

    # ---- look-ups of an index

    def mp_take_over(self, found: Self) -> None:
        """Go on as the request that a look-up was for (httpd's ``ap_internal_fast_redirect``)."""
        if found.mp_input is not None:
            from mpserver.api import input_filters  # (few indexes are asked for with bodies)

            input_filters.move(found.mp_input, self)
            self.mp_input = found.mp_input
        for name in FOUND:
            setattr(self, name, getattr(found, name))
        for name in RARELY_FOUND:
            value = getattr(found, name)
            if value != getattr(self, name):
                setattr(self, name, value)
        if found.mp_options is not None:
            self.mp_option_changes += found.mp_option_changes
        if found.mp_config is not None:
            self.mp_config_changes += found.mp_config_changes
        self.mp_before_head = found.mp_before_head
        if found.mp_head_depends and self.mp_head_depends != found.mp_head_depends:
            self.mp_head_depends = True if self.mp_head_depends else found.mp_head_depends
        self.mp_no_cache = self.mp_no_cache and found.mp_no_cache
        self.mp_parts += found.mp_parts
        self.mp_waiting += found.mp_waiting
        if found.mp_headers_out:
            self.mp_headers_out = _joined(found.mp_headers_out, self.mp_headers_out)
        if found.mp_err_headers_out:
            self.mp_err_headers_out = _joined(found.mp_err_headers_out, self.mp_err_headers_out)
        if found.mp_notes:
            self.mp_notes = _overlaid(found.mp_notes, self.mp_notes)
        if found.mp_env:
            self.mp_env = _overlaid(found.mp_env, self.mp_env)
        if found.mp_filters:
            self.mp_filters = {**(self.mp_filters or {}), **found.mp_filters}
        if found.mp_asked_filters:
            self.mp_asked_filters += found.mp_asked_filters
        if found.mp_chain is not None:
            found.mp_chain.move(self)

    def mp_add_headers(self, failed: Self) -> None:
        """Have the headers of a look-up whose failure the client is told."""
        if failed.mp_headers_out:
            self.mp_headers_out = _joined(self.mp_headers_out, failed.mp_headers_out)
        if failed.mp_err_headers_out:
            self.mp_err_headers_out = _joined(self.mp_err_headers_out, failed.mp_err_headers_out)


def _joined(first: Table | None, second: Table | None) -> Table:
    """The headers of both, in this order."""
    return HeaderTable.from_pairs([pair for table in (first, second) if table for pair in table.pairs()])


def _overlaid(first: Table, second: Table | None) -> Table:
    """One table over another, whose values show where the first has none of that name."""
    pairs = list(first.pairs())
    if second:
        pairs += [pair for pair in second.pairs() if pair[0] not in first]
    return Table.from_pairs(pairs)
