"""A request's state as bytes: what goes along when it goes on in another interpreter (manual 4.1, 5.4.4).

Documented members, the tables and what applications added to the request travel, of the requests before it as well
(internal redirects); so do what was written of the answer and what was read of the body. All of the engine's own is
plain data in checked forms (`mpserver.phases.transfer_shapes`). What applications added is pickled; what can't be is
left behind, with a line in the log, and so is all of it where the two interpreters do not share an account.
"""

from __future__ import annotations

import pickle

from mpserver.api import constants
from mpserver.api.handler_list import HandlerEntry
from mpserver.api.own_framing import OwnChunks
from mpserver.api.parts import FilePart
from mpserver.api.request_succession import BEGUN
from mpserver.api.table import HeaderTable, Table
from mpserver.ipc.plain_data import pack as pack_plain
from mpserver.ipc.plain_data import shaped
from mpserver.modules.hooks import OF_ACCOUNTS
from mpserver.phases import transfer_shapes as shapes
from mpserver.phases.stages import Stage
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.parts import Part
    from mpserver.api.request import Request


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
ANSWERED = (*BEGUN, "mp_status", "mp_content_type", "mp_spans")


#: In the place of a file: the one that the configuration names for the path.
FOUND_ANEW = ""
#: Why an application's objects do not go along.
OTHER_ACCOUNT = "the two run under accounts of their own"


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


def pack(req: Request, stage: int, step: int, shared: bool) -> bytes:
    """What goes along with a request.

    :param shared: the interpreter that it goes to runs under the account of this one.

    :raises ClientGone: a part of the answer had to be sent first, and nobody is there to take it.
    """
    if any(isinstance(part, FilePart) for part in req.mp_parts) and req.mp_link.fd >= 0:
        req.mp_flush()
    req.mp_traced()  # (it is the same wherever the request goes on)
    parts: list[Part] = req.mp_parts
    body = req.mp_link.input
    chain = [_packed(req, shared)]
    before = req.mp_prev
    while before is not None:
        chain.append(_packed(before, shared))
        before = before.mp_prev
    connection = req.mp_link.connection()
    begun = {name: getattr(req, name) for name in BEGUN}
    if req.mp_own_chunks is not None:
        begun["mp_own_chunks"] = req.mp_own_chunks.pack()
    moved = Moved(
        Stage(stage), step, chain, begun,
        b"".join(part for part in parts if isinstance(part, bytes)), req.mp_link.keep_alive,
        connection.mp_keepalive, None if body is None else body.pack(),
        (connection.mp_client_addr, connection.mp_local_addr),
    )  # fmt: skip
    return pack_plain(moved)


def _packed(req: Request, shared: bool) -> Packed:
    members = {name: getattr(req, name) for name in shapes.MEMBERS}
    made = [(name, getattr(req, name)) for name, _kind in TABLES]
    tables = {name: list(table.pairs()) for name, table in made if table is not None}
    own = {}
    for name, value in list(req.__dict__.items()):  # (what is told about them may add facts)
        if name.startswith("mp_"):
            continue
        try:
            if not shared:
                raise TypeError(OTHER_ACCOUNT)
            own[name] = pickle.dumps(value)
        except Exception as error:  # pickling runs an application's code
            text = f"req.{name} does not go along to the interpreter that the request goes on in: {error}"
            req.mp_log.log(constants.APLOG_WARNING, text, about=req)
    place = None
    if req.mp_located is not None:
        resource = req.mp_located.resource
        file = None if resource.filename is None else resource.filename + (resource.path_info or "")
        place = Place(resource.uri, file, resource.handler)
    return Packed(place, members, tables, own)


def unpack(data: bytes) -> Moved:
    """What has come along. :raises ValueError: it is not what it should be."""
    moved = Moved(*shaped(data, shapes.MOVED))
    chain = [Packed(place and Place(*place), *more) for place, *more in moved.chain]
    if not chain or (len(chain) == 1 and chain[0].members.get("mp_document")):
        raise ValueError("a request is missing")
    return moved._replace(stage=Stage(moved.stage), chain=chain)


def distrust(data: bytes, *, of_account: bool) -> tuple[bytes, list[str]]:
    """What comes from another account, without what that may not decide (`mpserver.phases.transfer_shapes`).

    :param of_account: it comes from a process of an account of its own; else it goes to one.
    :returns: the rest, and what of an application was in it, in words.
    :raises ValueError: it is not what it should be.
    """
    moved = unpack(data)
    after = moved.stage in (Stage.LOG, Stage.CLEANUP)
    # (once it is answered, nothing is decided by who its client is: handlers and logs are told of that)
    decisive = shapes.DECISIVE | shapes.WORKED_OUT if of_account and not after else shapes.DECISIVE
    chain, lost = [], []
    for packed in moved.chain:
        members = {name: value for name, value in packed.members.items() if name not in decisive}
        passed = members.get("mp_passed")
        if passed and of_account:
            members["mp_passed"] = {name: result for name, result in passed.items() if name.startswith(OF_ACCOUNTS)}
        if of_account and not after:
            claimed = members.pop("mp_user", None), members.pop("mp_ap_auth_type", None)
            members["mp_claimed"] = claimed if claimed != (None, None) else None
        place = Place(packed.place.uri, FOUND_ANEW, None) if after and packed.place is not None else None
        lost += [f"req.{name}" for name in packed.own]
        lost += [words for name, words in shapes.NOTICED.items() if packed.members.get(name)]
        chain.append(Packed(place, members, packed.tables, {}))
    # (early handlers may have run elsewhere; whatever comes after them is done where it belongs)
    stage = moved.stage if after or moved.stage in (Stage.READ, Stage.TRANSLATE) else Stage.LOCATE
    return pack_plain(moved._replace(stage=stage, step=moved.step if after else 0, chain=chain)), lost


def restore(req: Request, packed: Packed, after: Request | None) -> None:
    """Give a request what came along.

    :param after: the one that it was redirected to.
    """
    value: Any
    for name, value in packed.members.items():
        setattr(req, name, value)
    if req.mp_added:
        req.mp_added = {phase: [HandlerEntry(*entry) for entry in added] for phase, added in req.mp_added.items()}
    for name, kind in TABLES:
        if after is not None and name in SHARED_TABLES:
            setattr(req, name, getattr(after, name))
        elif name in packed.tables:
            setattr(req, name, kind.from_pairs(packed.tables[name]))
    for name, pickled in packed.own.items():
        try:
            value = pickle.loads(pickled)  # noqa: S301 - of interpreters of our account alone
        except Exception as error:  # a class that this interpreter can't import
            text = f"req.{name} did not come along from the interpreter that the request began in: {error}"
            req.mp_log.log(constants.APLOG_WARNING, text, about=req)
            continue
        setattr(req, name, value)
    if after is not None:
        req.mp_next, after.mp_prev = after, req


def go_on(req: Request, moved: Moved) -> None:
    """Go on with the answer where the other interpreter has left it."""
    for name, value in moved.begun.items():
        setattr(req, name, value)
    if moved.begun.get("mp_own_chunks") is not None:
        req.mp_own_chunks = OwnChunks.unpack(req.mp_log, *moved.begun["mp_own_chunks"])
    if moved.parts:
        req.mp_parts = [moved.parts]
    req.mp_input = req.mp_link.input
    if not moved.keep_alive:
        req.mp_link.keep_alive = False
    if moved.keepalive != constants.AP_CONN_UNKNOWN:
        req.mp_link.connection().mp_keepalive = moved.keepalive
    if req.mp_started:
        req.mp_link.send([])  # (for the books: a part of the answer is sent)
    if req.mp_asked_filters and moved.stage not in (Stage.LOG, Stage.CLEANUP):
        _filter_again(req)


def _filter_again(req: Request) -> None:
    """Put the filters in that applications have put in elsewhere, where nothing of the answer went through them."""
    for kind, name in req.mp_asked_filters:
        if kind == "out" and req.mp_started:
            text = f"the filter {name} does not go along to where the request goes on, for its answer has begun"
            req.mp_log.log(constants.APLOG_WARNING, text, about=req)
        else:
            req.mp_put_filter(kind, name)


# ---- and back: what became of it


def answered(req: Request) -> bytes:
    """What the interpreters that a request has left are told of its answer."""
    req = req.mp_last
    facts = {name: getattr(req, name) for name in ANSWERED}
    table = req.mp_headers_out
    headers = None if table is None else list(table.pairs())
    facts["mp_own_chunks"] = None  # (nobody adds to the answer any more)
    return pack_plain((facts, headers, req.mp_link.keep_alive, req.connection.aborted))


def note(req: Request, data: bytes) -> None:
    """Give a request what became of its answer elsewhere. :raises ValueError: nobody could have said that."""
    facts, headers, keep_alive, aborted = shaped(data, shapes.ANSWERED)
    req.mp_link.keep_alive, req.mp_link.connection().mp_aborted = bool(keep_alive), int(aborted)
    for name, value in facts.items():
        setattr(req, name, value)
    if headers is not None:
        req.mp_headers_out = HeaderTable.from_pairs(headers)
