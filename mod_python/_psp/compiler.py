"""Python of a page to code, whose lines and columns are those of the page's files."""

from __future__ import annotations

import ast
import marshal
import warnings
from _thread import RLock
from collections.abc import Callable, Iterable, Iterator
from types import CodeType

from mod_python._psp.collect import collect
from mod_python._psp.files import Mark
from mod_python._psp.generated import SPAN, Generated, SourcePlace, width
from mpserver.typing import Any, NamedTuple

#: What catches Python's warnings stands in for the interpreter's handling of them, and puts back what it found. Of
#: two threads at once the one would get what the other's page is warned of, and put back what the other put there.
_one_compiles = RLock()


class CompiledPage(NamedTuple):
    """A compiled page."""

    code: CodeType
    #: The page's file (or what stands for it), and the files that it includes.
    files: tuple[str, ...]
    #: The names that its code uses, functions in it included.
    names: frozenset[str]
    #: The variables, and attributes of ``req`` and ``psp``, that it uses itself, outside of functions and classes.
    own: frozenset[str]
    #: The states of the files that it includes.
    includes: tuple[tuple[str, Mark | None], ...]

    def dump(self) -> bytes:
        """The page for `load`."""
        return marshal.dumps((self.code, self.files, tuple(self.names), tuple(self.own), self.includes))

    @classmethod
    def load(cls, data: bytes) -> CompiledPage:
        """What `dump` gave, by the same Python. :raises ValueError: it isn't that (EOFError, TypeError, too)."""
        code, files, names, own, includes = marshal.loads(data)  # noqa: S302 - as _psp.cache keeps it
        return cls(code, files, frozenset(names), frozenset(own), includes)


def compile_page(generated: Generated) -> CompiledPage:
    """Compile a page.

    :raises SyntaxError: with the page's file and line.
    """
    with _one_compiles:
        return _compile(generated)


def _compile(generated: Generated) -> CompiledPage:
    name = generated.sources[0].name
    try:
        with warnings.catch_warnings(record=True) as noticed:
            tree = ast.parse(generated.text, name)
    except SyntaxError as error:
        raise _moved(error, generated) from None
    except (RecursionError, MemoryError):
        raise generated.error("the page's code is nested too deep", SourcePlace(0, 1, 0)) from None
    except ValueError as error:  # NUL, surrogates
        message = f"the page's code has a character that Python does not allow: {error}"
        raise generated.error(message, _odd(generated)) from None
    for warning in noticed:
        _warn(warning, generated)
    for notice in generated.notices:
        warnings.warn_explicit(notice.msg, SyntaxWarning, notice.filename or name, notice.lineno or 1)
    own = frozenset(_own_names(tree))
    collect(tree, _move(tree, generated))
    try:
        code = compile(tree, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise _decoded(error, generated) from None
    except (RecursionError, MemoryError):
        raise generated.error("the page's code is nested too deep", SourcePlace(0, 1, 0)) from None
    except ValueError as error:
        raise generated.error(f"the page's code can't be compiled: {error}", SourcePlace(0, 1, 0)) from None
    files = tuple(source.name for source in generated.sources)
    return CompiledPage(code, files, frozenset(_names(code)), own, tuple(generated.includes.items()))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _own_names(root: ast.AST) -> Iterator[str]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="req" | "psp"), attr=name):
                yield name
        waiting += _INNER[type(node)](node) if type(node) in _INNER else ast.iter_child_nodes(node)


#: What of these nodes the code around them does itself: the rest is code of its own.
_INNER: dict[type[ast.AST], Callable[[Any], Iterable[ast.AST]]] = {
    ast.FunctionDef: lambda node: [*node.decorator_list, *_defaults(node)],
    ast.AsyncFunctionDef: lambda node: [*node.decorator_list, *_defaults(node)],
    ast.ClassDef: lambda node: [*node.decorator_list, *node.bases, *node.keywords],
    ast.Lambda: lambda node: _defaults(node),
    ast.GeneratorExp: lambda node: [node.generators[0].iter],
}


def _defaults(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.expr]:
    return [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]


def _move(tree: ast.AST, generated: Generated) -> set[ast.AST]:
    """Give every node the page's lines and columns. :returns: the generated calls of ``req.write``."""
    writes: set[ast.AST] = set()
    for node in ast.walk(tree):
        line = getattr(node, "lineno", None)
        if line is None:
            continue
        if isinstance(node, ast.Expr) and (line, node.col_offset) in generated.writes:
            writes.add(node)
        start = generated.place(line, node.col_offset)  # type: ignore[attr-defined]
        end_line, end_column = node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
        # its last character, for what follows it may come from elsewhere
        end = generated.place(end_line, end_column - 1)
        stop = (end.file * SPAN + end.line, end.column + 1)
        begin = (start.file * SPAN + start.line, start.column)
        if stop < begin or end.file != start.file:
            stop = begin
        node.lineno, node.col_offset = begin  # type: ignore[attr-defined]
        node.end_lineno, node.end_col_offset = stop  # type: ignore[attr-defined]
    return writes


def _moved(error: SyntaxError, generated: Generated) -> SyntaxError:
    """An error in generated lines, told of the page's."""
    if error.lineno is None:  # of a character
        return generated.error(error.msg, _odd(generated))
    before = generated.line(error.lineno)[: max((error.offset or 1) - 1, 0)]
    place = generated.place(error.lineno, width(before))
    # of the same class: IndentationError, TabError
    made = generated.error(error.msg, place)
    moved = type(error)(made.msg, (made.filename, made.lineno, made.offset, made.text))
    if isinstance(moved, IndentationError):
        moved.add_note(_BLOCKS)
    return moved


#: What is told of errors of indentation: what stands before a block counts, and does not show where the error is.
_BLOCKS = (
    "The indentation at the end of a block of code goes on in what follows, until a block has code at the left edge; "
    "a comment there ends it, as # end"
)


def _decoded(error: SyntaxError, generated: Generated) -> SyntaxError:
    """An error whose line is that of a moved node."""
    file, line = divmod(error.lineno or 1, SPAN)
    made = generated.error(error.msg, SourcePlace(file, max(line, 1), 0))
    return type(error)(made.msg, (made.filename, made.lineno, error.offset or 1, made.text))


def _odd(generated: Generated) -> SourcePlace:
    """Where the first character is that code can't have."""
    for number, (line, _) in enumerate(generated.rows(), 1):
        for at, character in enumerate(line):
            if character == "\0" or "\ud800" <= character <= "\udfff":
                return generated.place(number, width(line[:at]))
    return SourcePlace(0, 1, 0)


def _warn(warning: warnings.WarningMessage, generated: Generated) -> None:
    """A warning of Python's parser, told of the page's line."""
    line = generated.line(warning.lineno)
    place = generated.place(warning.lineno, len(line))  # its last piece: only the line is known
    warnings.warn_explicit(warning.message, warning.category, generated.sources[place.file].name, place.line)
