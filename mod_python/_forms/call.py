"""Calling a function with the fields that it has parameters for (manual 5.1 of the publisher; util.apply_fs_data)."""

from __future__ import annotations

from types import FunctionType, MethodType

from mod_python._forms.fields import Field
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType

    from mod_python._forms.storage import FieldStorage


#: Flag of a code object with a ``**kwargs`` parameter.
_VARKEYWORDS = 0x08


def _code(target: Any) -> tuple[CodeType, int] | None:
    """The code that a call of the object runs, and how many of its parameters are bound already.

    None where it is not Python's: a builtin, a partial...
    """
    if type(target) is FunctionType:
        return target.__code__, 0
    if type(target) is MethodType:
        inner = _code(target.__func__)
        return None if inner is None else (inner[0], inner[1] + 1)
    owner, method = (target, "__init__") if isinstance(target, type) else (type(target), "__call__")
    entry = getattr(owner, method, None)
    return (entry.__code__, 1) if type(entry) is FunctionType else None


def _signature(target: Any) -> tuple[tuple[str, ...], bool]:
    """The same for what is not Python's: the names that fields may fill, and whether any name may."""
    import inspect

    try:
        parameters = inspect.signature(target).parameters.values()
    except ValueError:
        return (), False
    named = tuple(p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return named, any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)


def apply_fs_data(target: Any, fs: FieldStorage, **args: Any) -> Any:
    """Call an object with those fields of a form that its parameters name (api 3.5 3.2).

    A repeated field gives a list, a file its `Field`, any other its text. ``args`` are offered by
    name in the same way, and no field of the form takes the place of one of them. Keyword-only
    parameters are not filled.

    :returns: what the call returns.
    """
    found = _code(target)
    bound: tuple[str, ...] = ()
    positional: tuple[str, ...] = ()
    if found is None:
        expected, any_name = _signature(target)
    else:
        code, count = found
        names = code.co_varnames
        bound, expected = names[:count], names[count : code.co_argcount]
        any_name = bool(code.co_flags & _VARKEYWORDS)
        positional = names[count : code.co_posonlyargcount]
    values: dict[str, Any] = {}
    if fs.list:
        repeated: set[str] = set()
        for field in fs.list:
            name = field.name
            if name not in args and (name in expected or (any_name and name not in bound)):
                value = field if isinstance(field, Field) else field.value
                if name not in values:
                    values[name] = value
                elif name in repeated:
                    values[name].append(value)
                else:
                    values[name] = [values[name], value]
                    repeated.add(name)
    for name, value in args.items():
        if name in expected or any_name:
            values[name] = value  # noqa: PERF403 - a second table for the one that there is costs more
    if not positional:
        return target(**values)
    first = []
    for name in positional:
        if name not in values:
            break
        first.append(values.pop(name))
    return target(*first, **values)
