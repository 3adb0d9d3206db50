"""Code without docstrings and annotations does the same, in the same lines."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from mpserver.system.slim_code import slim

SOURCE = '''"""Of the module."""

from __future__ import annotations


def plain(first: int, second: str = "two", *rest: Any, named: bool = True, **more: str) -> list[Unknown] | None:
    """Of a function."""
    return [first, second, rest, named, more]


class Kind(Base):
    """Of a class."""

    number: int
    text: str = "class"

    def method(self, value: Unknown) -> Unknown:
        """Of a method."""
        return self, value

    @staticmethod
    def static(value: int = 3) -> int:
        return value


def outer(seen: Unknown) -> Unknown:
    """Of a function with another one."""

    def inner(added: Unknown = 1, *, factor: int = 2) -> Unknown:
        """Of one that sees a variable of the other."""
        return (seen + added) * factor

    return inner


def says() -> str:
    """Used."""
    return "Used."


def fails(value: Unknown) -> Unknown:
    """It raises an error."""
    return plain(
        value,
        1 / value,
    )


def undocumented(value: Unknown): return "a text", value
'''


def run(code: CodeType) -> dict[str, Any]:
    """What a module's code makes."""
    names: dict[str, Any] = {"__name__": "slim", "Base": object}
    exec(code, names)
    return names


@pytest.fixture(params=[False, True], ids=["bare", "docs"])
def docs(request: pytest.FixtureRequest) -> bool:
    found: bool = request.param
    return found


@pytest.fixture(params=[0, 300], ids=["short", "long"])
def source(request: pytest.FixtureRequest) -> str:
    """The module; and after so many constants that instructions need longer arguments."""
    many: int = request.param
    return SOURCE + "".join(
        f"def f{n}(v: T{n}, w: float = {n}.5) -> T{n}:\n    'D{n}'\n    return w\n" for n in range(many)
    )


@pytest.fixture
def made(source: str, docs: bool) -> dict[str, Any]:
    return run(slim(compile(source, "slim.py", "exec", dont_inherit=True), docs))


def test_functions_do_the_same(made: dict[str, Any]) -> None:
    assert made["plain"](1) == [1, "two", (), True, {}]
    assert made["plain"](1, 2, 3, named=False, x="y") == [1, 2, (3,), False, {"x": "y"}]
    one = made["Kind"]()
    assert one.method(1) == (one, 1)
    assert one.static() == 3
    assert made["outer"](1)() == 4
    assert made["outer"](1)(2, factor=5) == 15
    assert made["says"]() == "Used."
    assert made["undocumented"](0) == ("a text", 0)
    assert all(made[f"f{n}"](0) == n + 0.5 for n in range(300) if f"f{n}" in made)


def test_docstrings_are_away_where_nobody_sees_them(made: dict[str, Any], docs: bool) -> None:
    inner = made["outer"](1)
    found = [made.get("__doc__"), *(made[name].__doc__ for name in ("plain", "Kind", "outer")), inner.__doc__]
    found.append(made["Kind"].method.__doc__)
    whole = [
        "Of the module.", "Of a function.", "Of a class.", "Of a function with another one.",
        "Of one that sees a variable of the other.", "Of a method.",
    ]  # fmt: skip
    assert found == (whole if docs else [None] * 6)
    assert made["undocumented"].__doc__ is None


@pytest.mark.skipif(sys.version_info < (3, 13), reason="annotations stay where no instruction stores them alone")
def test_annotations_of_functions_are_away(made: dict[str, Any]) -> None:
    functions = [made[name] for name in ("plain", "outer", "says", "fails", "undocumented")]
    functions += [made["Kind"].method, made["Kind"].static]
    functions += [made[f"f{n}"] for n in range(300) if f"f{n}" in made]
    assert [one.__annotations__ for one in functions] == [{}] * len(functions)


def test_annotations_of_classes_stay(made: dict[str, Any]) -> None:
    assert made["Kind"].__annotations__ == {"number": "int", "text": "str"}


def test_tracebacks_have_their_lines(made: dict[str, Any], source: str) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        made["fails"](0)
    last = traceback.extract_tb(raised.value.__traceback__)[-1]
    assert last.lineno == source.splitlines().index("        1 / value,") + 1


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are not told by a function")
def test_annotations_that_see_variables_stay() -> None:
    source = "class Kind:\n    T = int\n    def method(self, value: T) -> T:\n        'M'\n        return value\n"
    made = run(slim(compile(source, "slim.py", "exec", dont_inherit=True)))
    assert made["Kind"].method.__annotations__ == {"value": int, "return": int}
    assert made["Kind"]().method(1) == 1
    assert made["Kind"].method.__doc__ is None


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are not told by functions")
@pytest.mark.parametrize("folder", ["api", "http1", "phases", "serving"])
def test_the_engine_has_no_functions_that_tell_annotations(folder: str) -> None:
    """(Where they would be evaluated, for want of ``from __future__ import annotations``, they would stay.)"""
    for path in sorted((Path(__file__).parents[2] / "mpserver" / folder).glob("*.py")):
        slimmed = slim(compile(path.read_bytes(), str(path), "exec", dont_inherit=True))
        assert "__annotate__" not in set(_names(slimmed)), path


def _names(code: CodeType) -> Iterator[str]:
    yield code.co_name
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _names(const)
