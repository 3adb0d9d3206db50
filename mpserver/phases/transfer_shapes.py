"""What a request that comes from another interpreter may look like, and what of it another account may decide.

A process of another account (PythonInterpUser) is believed what it says of its request as a client is believed: which
one it is, whose, its fields, and what was answered. It does not decide what is run or read elsewhere, which its own
account might not: there the resource is found anew, and all phases that are not its own are run.
"""

from __future__ import annotations

from types import NoneType

from mpserver import lazyre
from mpserver.ipc.plain_data import Shape, each, either, mapping, of, record, row
from mpserver.phases.stages import Stage
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

INT, TEXT, BYTES = of(int, bool), of(str), of(bytes)
NUMBER, MAYBE_TEXT, NONE = of(int, float, bool), of(str, NoneType), of(NoneType)
MAYBE_INT = of(int, bool, NoneType)

_TRACE = lazyre.compile("00-[0-9a-f]{32}-[0-9a-f]{16}-0[01] ([0-9a-f]{16})?")

#: A `mpserver.api.handler_list.HandlerEntry`.
ENTRY = row(TEXT, MAYBE_TEXT, INT, INT)
#: What `mpserver.http1.body` says of a body.
CHUNKED = row(
    INT, BYTES, each(tuple, row(TEXT, TEXT)), INT, INT, row(INT, INT, INT),
    lambda state: type(state) is int and 0 <= state < 5, BYTES, INT, INT, each(list, BYTES),
)  # fmt: skip
BODY = either(row(INT, BYTES), CHUNKED)


def _is_trace(value: object) -> bool:
    """A traceparent, and the id of the span above it or "" (`mpserver.api.request_tables`)."""
    return (
        type(value) is tuple and len(value) == 2 and all(type(its) is str for its in value)
        and _TRACE.fullmatch(" ".join(value)) is not None
    )  # fmt: skip


def _are_spans(value: object) -> bool:
    """Names, begins, ends and results in a row (``mp_spans``)."""
    return type(value) is tuple and len(value) % 4 == 0 and all(
        SPAN(value[at : at + 4]) for at in range(0, len(value), 4)
    )  # fmt: skip


SPAN = row(TEXT, NUMBER, NUMBER, INT)
SPANS = either(NONE, _are_spans)
#: Plain members of a request, by their attribute.
MEMBERS: Mapping[str, Shape] = {
    **dict.fromkeys(
        ("mp_filename", "mp_canonical_filename", "mp_path_info", "mp_args", "mp_user", "mp_ap_auth_type", "mp_handler",
         "mp_content_type", "mp_status_line", "mp_content_encoding", "mp_target", "mp_extension", "mp_failure",
         "mp_vlist_validator"),
        MAYBE_TEXT,
    ),
    **dict.fromkeys(
        ("mp_content_type_set", "mp_status", "mp_no_cache", "mp_no_local_copy", "mp_used_path_info", "mp_proxyreq",
         "mp_assbackwards", "mp_allowed", "mp_begun", "mp_head_depends", "mp_header_only", "mp_is_directory",
         "mp_is_lookup", "mp_admitted", "mp_ran", "mp_document", "mp_redirects", "mp_original_status",
         "mp_read_length", "mp_cut"),
        INT,
    ),
    "mp_uri": TEXT,
    "mp_method": TEXT,
    "mp_mtime": NUMBER,
    "mp_request_time": NUMBER,
    "mp_chunked_told": MAYBE_INT,
    "mp_agent": either(NONE, row(TEXT, INT)),
    "mp_log_id": MAYBE_TEXT,
    "mp_is_logged": INT,
    "mp_allowed_methods": each(tuple, TEXT),
    "mp_content_languages": either(each(tuple, TEXT), each(list, TEXT)),
    "mp_added": either(NONE, mapping(TEXT, each(list, ENTRY))),
    "mp_filters": either(NONE, mapping(row(TEXT, TEXT), row(TEXT, MAYBE_TEXT))),
    "mp_asked_filters": each(tuple, row(TEXT, TEXT)),
    "mp_told_finfo": either(NONE, row(*[of(int, str, NoneType)] * 14)),
    "mp_passed": either(NONE, mapping(TEXT, INT)),
    "mp_tried": row(INT, INT),
    **dict.fromkeys(("mp_option_changes", "mp_config_changes"), each(tuple, row(TEXT, MAYBE_TEXT, MAYBE_TEXT))),
    "mp_trace": either(NONE, _is_trace),
    "mp_spans": SPANS,
    "mp_claimed": either(NONE, row(MAYBE_TEXT, MAYBE_TEXT)),
}  # fmt: skip

#: What says what is run or read for a request, and whether that is allowed: another account does not say it.
DECISIVE = frozenset({
    "mp_filename", "mp_canonical_filename", "mp_path_info", "mp_handler", "mp_is_directory", "mp_proxyreq",
    "mp_admitted", "mp_added", "mp_filters", "mp_asked_filters", "mp_extension", "mp_is_lookup",
    "mp_option_changes", "mp_config_changes", "mp_told_finfo",
})  # fmt: skip
#: What says who its client is, and what was worked out of its head: that is done anew, before anything decides by it.
WORKED_OUT = frozenset({"mp_agent", "mp_begun"})
#: Of these the ones that an application may have set, by how it knows them.
NOTICED = {
    "mp_added": "handlers that were added", "mp_filters": "filters that were registered",
    "mp_asked_filters": "filters that were added",
    "mp_option_changes": "PythonOptions that were set", "mp_config_changes": "Python directives that were set",
}  # fmt: skip

PAIRS = each(list, row(of(str, bytes), of(str, bytes)))
#: A `mpserver.phases.transfer.Packed`.
PACKED = row(
    either(NONE, row(TEXT, MAYBE_TEXT, MAYBE_TEXT)), record(MEMBERS), mapping(TEXT, PAIRS), mapping(TEXT, BYTES)
)

#: What is known of an answer (`mpserver.api.request_succession.BEGUN`), and of what it looks like.
BEGUN: Mapping[str, Shape] = {
    **dict.fromkeys(
        ("mp_started", "mp_chunked", "mp_sent", "mp_bytes_out", "mp_waiting", "mp_has_file", "mp_finished"), INT
    ),
    "mp_length_left": MAYBE_INT,
    "mp_head_sent": of(bytes, NoneType),
    "mp_own_chunks": either(NONE, row(INT, INT, MAYBE_INT, CHUNKED)),
}
ADDRESS = either(NONE, row(TEXT, INT))
#: A `mpserver.phases.transfer.Moved`.
MOVED = row(
    lambda stage: type(stage) is int and 0 <= stage < len(Stage), INT, each(list, PACKED), record(BEGUN), BYTES, INT,
    INT, either(NONE, row(BODY, INT, BYTES, INT, INT, INT)), row(ADDRESS, ADDRESS),
)  # fmt: skip
#: What `mpserver.phases.transfer.answered` says.
ANSWERED = row(
    record({**BEGUN, "mp_status": INT, "mp_content_type": MAYBE_TEXT, "mp_spans": SPANS}), either(NONE, PAIRS), INT, INT
)
