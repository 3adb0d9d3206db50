"""A request's state as bytes: what goes along when it goes on in another interpreter (manual 4.1, 5.4.4).

Documented members, the tables and what applications added to the request travel, of the requests before it as well
(internal redirects); so do what was written of the answer and what was read of the body. What can't be pickled is
left behind, with a line in the log.
"""

from __future__ import annotations

import pickle

from mpserver.api import constants
from mpserver.api.parts import FilePart
from mpserver.api.request_succession import BEGUN
from mpserver.api.table import HeaderTable, Table
from mpserver.phases.stages import Stage
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.parts import Part
    from mpserver.api.request import Request


#: The stages before the resource is known.
UNSETTLED = frozenset({Stage.READ, Stage.TRANSLATE, Stage.LOCATE, Stage.TRANSLATED})

#: Plain members, by their attribute.
MEMBERS = (
    "mp_uri", "mp_args", "mp_filename", "mp_canonical_filename", "mp_path_info", "mp_user", "mp_ap_auth_type",
    "mp_handler", "mp_content_type", "mp_content_type_set", "mp_status", "mp_status_line", "mp_no_cache",
    "mp_no_local_copy", "mp_used_path_info", "mp_proxyreq", "mp_assbackwards", "mp_mtime", "mp_allowed",
    "mp_allowed_methods", "mp_added", "mp_method", "mp_begun", "mp_head_depends", "mp_header_only",
    "mp_content_encoding", "mp_content_languages", "mp_is_directory", "mp_is_lookup", "mp_admitted", "mp_ran",
    "mp_passed", "mp_tried", "mp_document", "mp_redirects", "mp_target", "mp_extension", "mp_filters",
    "mp_original_status", "mp_read_length", "mp_request_time", "mp_failure", "mp_vlist_validator", "mp_cut",
    "mp_chunked_told",
)  # fmt: skip

#: Tables, and what they are.
TABLES: tuple[tuple[str, type[Table]], ...] = (
    ("mp_table_in", Table),
    ("mp_headers_out", HeaderTable),
    ("mp_err_headers_out", HeaderTable),
    ("mp_env", Table),
    ("mp_notes", Table),
)

#: What the requests of a chain have in common: theirs is one table.
SHARED_TABLES = ("mp_table_in", "mp_err_headers_out")

#: What the requests that are left in other interpreters are told of the response; and its headers.
ANSWERED = (*BEGUN, "mp_status", "mp_content_type")


class Place(NamedTuple):
    """What a request's resource is found by again: path, file with all that follows it, forced handler."""

    uri: str
    file: str | None
    handler: str | None


class Packed(NamedTuple):
    """One request of a chain."""

    place: Place | None
    members: dict[str, Any]
    tables: dict[str, list[Any]]
    own: dict[str, bytes]


class Moved(NamedTuple):
    """A request that has come from another interpreter."""

    stage: Stage
    step: int
    #: The request, and those before it, from the last on.
    chain: list[Packed]
    #: What is known of the answer, and of it what was not sent.
    begun: dict[str, Any]
    parts: bytes
    keep_alive: bool
    #: What an application has set `Connection.keepalive` to.
    keepalive: int
    #: What is known of the body, see `mpserver.api.input.Input.pack`.
    body: tuple[Any, ...] | None
    #: The client's address, and ours.
    addresses: tuple[Any, Any]


def pack(req: Request, stage: int, step: int) -> bytes:
    """What goes along with a request.

    :raises ClientGone: a part of the answer had to be sent first, and nobody is there to take it.
    """
    if any(isinstance(part, FilePart) for part in req.mp_parts) and req.mp_link.fd >= 0:
        req.mp_flush()
    parts: list[Part] = req.mp_parts
    body = req.mp_link.input
    chain = [_packed(req)]
    before = req.mp_prev
    while before is not None:
        chain.append(_packed(before))
        before = before.mp_prev
    connection = req.mp_link.connection()
    moved = Moved(
        Stage(stage), step, chain, {name: getattr(req, name) for name in BEGUN},
        b"".join(part for part in parts if isinstance(part, bytes)), req.mp_link.keep_alive,
        connection.mp_keepalive, None if body is None else body.pack(),
        (connection.mp_client_addr, connection.mp_local_addr),
    )  # fmt: skip
    return pickle.dumps(tuple(moved))


def _packed(req: Request) -> Packed:
    members = {name: getattr(req, name) for name in MEMBERS}
    made = [(name, getattr(req, name)) for name, _kind in TABLES]
    tables = {name: list(table.pairs()) for name, table in made if table is not None}
    own = {}
    for name, value in list(req.__dict__.items()):  # (what is told about them may add facts)
        if name.startswith("mp_"):
            continue
        try:
            own[name] = pickle.dumps(value)
        except Exception as error:  # pickling runs an application's code
            text = f"req.{name} does not go along to the interpreter that the request goes on in: {error}"
            req.mp_log.log(constants.APLOG_WARNING, text, client=req.connection.client_addr)
    place = None
    if req.mp_located is not None:
        resource = req.mp_located.resource
        file = None if resource.filename is None else resource.filename + (resource.path_info or "")
        place = Place(resource.uri, file, resource.handler)
    return Packed(place, members, tables, own)


def unpack(data: bytes) -> Moved:
    """What has come along."""
    return Moved(*pickle.loads(data))


def restore(req: Request, packed: Packed, after: Request | None) -> None:
    """Give a request what came along.

    :param after: the one that it was redirected to.
    """
    value: Any
    for name, value in packed.members.items():
        setattr(req, name, value)
    for name, kind in TABLES:
        if after is not None and name in SHARED_TABLES:
            setattr(req, name, getattr(after, name))
        elif name in packed.tables:
            setattr(req, name, kind.from_pairs(packed.tables[name]))
    for name, pickled in packed.own.items():
        try:
            value = pickle.loads(pickled)
        except Exception as error:  # a class that this interpreter can't import
            text = f"req.{name} did not come along from the interpreter that the request began in: {error}"
            req.mp_log.log(constants.APLOG_WARNING, text, client=req.connection.client_addr)
            continue
        setattr(req, name, value)
    if after is not None:
        req.mp_next, after.mp_prev = after, req


def go_on(req: Request, moved: Moved) -> None:
    """Go on with the answer where the other interpreter has left it."""
    for name, value in moved.begun.items():
        setattr(req, name, value)
    if moved.parts:
        req.mp_parts = [moved.parts]
    req.mp_input = req.mp_link.input
    if not moved.keep_alive:
        req.mp_link.keep_alive = False
    if moved.keepalive != constants.AP_CONN_UNKNOWN:
        req.mp_link.connection().mp_keepalive = moved.keepalive
    if req.mp_started:
        req.mp_link.send([])  # (for the books: a part of the answer is sent)


# ---- and back: what became of it


def answered(req: Request) -> bytes:
    """What the interpreters that a request has left are told of its answer."""
    while req.mp_next is not None:  # (the last of those that were redirected gave the response)
        req = req.mp_next
    facts = {name: getattr(req, name) for name in ANSWERED}
    table = req.mp_headers_out
    headers = None if table is None else list(table.pairs())
    return pickle.dumps((facts, headers, req.mp_link.keep_alive, req.connection.aborted))


def note(req: Request, data: bytes) -> None:
    """Give a request what became of its answer elsewhere."""
    facts, headers, req.mp_link.keep_alive, req.mp_link.connection().mp_aborted = pickle.loads(data)
    for name, value in facts.items():
        setattr(req, name, value)
    if headers is not None:
        req.mp_headers_out = HeaderTable.from_pairs(headers)
