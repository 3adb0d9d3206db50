"""A request's state as bytes: what goes along when its early phases ran in another interpreter (manual 5.4.4).

Documented members, the tables and what applications added to the request travel; what can't be
pickled is left behind, with a line in the log.
"""

from __future__ import annotations

from mpserver.api import constants
from mpserver.api.table import HeaderTable, Table
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: Plain members, by their attribute.
MEMBERS = (
    "mp_uri", "mp_args", "mp_filename", "mp_canonical_filename", "mp_path_info", "mp_user", "mp_ap_auth_type",
    "mp_handler", "mp_content_type", "mp_content_type_set", "mp_status", "mp_status_line", "mp_no_cache",
    "mp_no_local_copy", "mp_used_path_info", "mp_proxyreq", "mp_assbackwards", "mp_mtime", "mp_allowed",
    "mp_allowed_methods", "mp_added", "mp_method", "mp_begun", "mp_head_depends",
)  # fmt: skip

#: Tables, and what they are.
TABLES: tuple[tuple[str, type[Table]], ...] = (
    ("mp_table_in", Table),
    ("mp_headers_out", HeaderTable),
    ("mp_err_headers_out", HeaderTable),
    ("mp_env", Table),
    ("mp_notes", Table),
)


def pack(req: Request, translated: bool) -> bytes:
    """What goes along with a request; ``translated``: a handler has mapped it to its file."""
    import pickle

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
            text = f"req.{name} does not go along to the interpreter of the content handler: {error}"
            req.mp_log.log(constants.APLOG_WARNING, text, client=req.connection.client_addr)
    return pickle.dumps((translated, members, tables, own))


def unpack(data: bytes, req: Request) -> bool:
    """Give a request what came along. :returns: whether a handler has mapped it to its file."""
    import pickle

    translated, members, tables, own = pickle.loads(data)
    value: Any
    for name, value in members.items():
        setattr(req, name, value)
    for name, kind in TABLES:
        if name in tables:
            setattr(req, name, kind.from_pairs(tables[name]))
    for name, pickled in own.items():
        try:
            value = pickle.loads(pickled)
        except Exception as error:  # a class that this interpreter can't import
            text = f"req.{name} did not come along from the interpreter of the early handlers: {error}"
            req.mp_log.log(constants.APLOG_WARNING, text, client=req.connection.client_addr)
            continue
        setattr(req, name, value)
    return bool(translated)
