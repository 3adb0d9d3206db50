"""Tracebacks that name the files which a page includes."""

from __future__ import annotations

import ast
from types import TracebackType

from mod_python._psp.generated import SPAN
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mod_python._psp.compiler import CompiledPage

#: So many exceptions behind one are looked at.
MOST = 50


def relocate(error: BaseException, page: CompiledPage) -> None:
    """Give an exception's traceback, and those behind it, the names and lines of included files.

    A code object knows one file only: a frame whose line is in another one is replaced.
    """
    if len(page.files) < 2:
        return
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and id(found) not in seen and len(seen) < MOST:
        seen.add(id(found))
        found.__traceback__ = _relocated(found.__traceback__, page)
        found = found.__cause__ or found.__context__


def _relocated(trace: TracebackType | None, page: CompiledPage) -> TracebackType | None:
    entries: list[TracebackType] = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    later: TracebackType | None = None
    for entry in reversed(entries):
        code = entry.tb_frame.f_code
        if code.co_filename == page.files[0] and entry.tb_lineno >= SPAN:
            file, line = divmod(entry.tb_lineno, SPAN)
            later = _stand_in(entry, page.files[file], line, later)
        else:
            entry.tb_next = later
            later = entry
    return later


class _Mark(Exception):
    """Makes a stand-in's frame."""


def _stand_in(entry: TracebackType, file: str, line: int, later: TracebackType | None) -> TracebackType:
    """An entry for another file and line; its frame has the same globals."""
    code = entry.tb_frame.f_code
    columns = _columns(entry)
    node = ast.parse("raise __psp_mark__").body[0]
    for each in ast.walk(node):
        if hasattr(each, "lineno"):
            each.lineno = each.end_lineno = line  # type: ignore[attr-defined]
            each.col_offset, each.end_col_offset = columns  # type: ignore[attr-defined]
    made = compile(ast.Module([node], []), file, "exec", dont_inherit=True)
    made = made.replace(co_name=code.co_name, co_qualname=code.co_qualname)
    frame = entry.tb_frame
    scope: dict[str, Any] = {**frame.f_globals, "__psp_mark__": _Mark}
    try:
        exec(made, scope)  # noqa: S102 - raises at a line of a page
    except _Mark as mark:
        assert mark.__traceback__ is not None
        stand_in = mark.__traceback__.tb_next
        assert stand_in is not None
        return TracebackType(later, stand_in.tb_frame, stand_in.tb_lasti, line)
    raise AssertionError("the stand-in raises")


def _columns(entry: TracebackType) -> tuple[int, int]:
    """The columns of the instruction that an entry is about."""
    for index, (first, last, start, end) in enumerate(entry.tb_frame.f_code.co_positions()):
        if index * 2 == entry.tb_lasti:
            if start is not None and end is not None and first == last and end >= start:
                return start, end
            break
    return 0, 0
