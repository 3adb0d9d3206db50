"""The table object against manual 4.5.2 and api 3.5 2.6, and a model of plain pairs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.api.table import HeaderTable, Table


def test_names_are_compared_without_case_and_kept_as_first_given() -> None:
    table = Table()
    table["Content-Type"] = "text/html"
    table["content-type"] = "text/plain"
    assert table["CONTENT-TYPE"] == "text/plain"
    assert table.items() == [("Content-Type", "text/plain")]
    assert "content-TYPE" in table
    assert table.has_key("CONTENT-type") == 1
    assert table.has_key("x") == 0


def test_duplicates_read_as_a_list_and_get_gives_the_first() -> None:
    table = Table()
    table["Set-Cookie"] = "a=1"
    table.add("set-cookie", "b=2")
    assert table["Set-Cookie"] == ["a=1", "b=2"]
    assert table.get("Set-Cookie") == "a=1"
    assert len(table) == 2
    assert table.keys() == ["Set-Cookie", "set-cookie"]
    table.add("SET-cookie", "c=3")
    assert table["Set-Cookie"] == ["a=1", "b=2", "c=3"]


def test_the_list_of_a_subscript_is_a_copy() -> None:
    table = Table.from_pairs([("a", "1"), ("A", "2")])
    found = table["a"]
    assert isinstance(found, list)
    found.append("3")
    assert table["a"] == ["1", "2"]


def test_assignment_replaces_duplicates_in_the_place_of_the_first() -> None:
    table = Table.from_pairs([("a", "1"), ("b", "2"), ("A", "3"), ("c", "4")])
    table["A"] = "5"
    assert table.items() == [("a", "5"), ("b", "2"), ("c", "4")]
    assert table["a"] == "5"


def test_missing_names() -> None:
    table = Table()
    with pytest.raises(KeyError):
        table["x"]
    assert table.get("x") is None
    assert table.get("x", 5) == 5
    del table["x"]
    assert len(table) == 0


def test_deletion_takes_all_values() -> None:
    table = Table.from_pairs([("a", "1"), ("b", "2"), ("A", "3")])
    del table["a"]
    assert table.items() == [("b", "2")]
    assert "a" not in table


def test_bytes_are_latin_1() -> None:
    table = Table()
    table[b"X-Name"] = b"Zo\xeb"
    assert table["x-name"] == "Zo\xeb"
    assert b"X-NAME" in table
    assert table.get(b"x-name") == "Zo\xeb"


@pytest.mark.parametrize("value", [1, None, ["a"], 1.5])
def test_assignment_takes_strings_only(value: object) -> None:
    table = Table()
    with pytest.raises(TypeError):
        table["a"] = value  # type: ignore[assignment]
    with pytest.raises(TypeError):
        table.add("a", value)  # type: ignore[arg-type]
    assert len(table) == 0


def test_constructor_and_update_make_strings() -> None:
    assert Table({"a": 1, "b": None}).items() == [("a", "1"), ("b", "None")]
    assert Table([("a", 1), ("A", 2)]).items() == [("a", "2")]
    table = Table({"a": "1", "b": "2"})
    table.update({"B": 3})
    assert table.items() == [("a", "1"), ("b", "3")]


@pytest.mark.parametrize("source", [None, 5, object()])
def test_update_from_what_has_no_pairs(source: Any) -> None:
    table = Table({"a": "1"})
    with pytest.raises(AttributeError, match=f"^'{type(source).__name__}' object has no attribute 'keys'$"):
        table.update(source)
    with pytest.raises(TypeError, match=f"^'{type(source).__name__}' object is not iterable$"):
        Table(source)
    assert table.items() == [("a", "1")]


def test_update_from_a_table_brings_its_duplicates() -> None:
    table = Table({"a": "0", "b": "1"})
    table.update(Table.from_pairs([("A", "2"), ("c", "3"), ("a", "4")]))
    assert table["a"] == ["2", "4"]
    assert table["b"] == "1"
    table.update(table)
    assert table["a"] == ["2", "4"]


def test_nul_is_refused() -> None:
    table = Table()
    for name, value in [("a\0", "b"), ("a", "b\0c")]:
        with pytest.raises(ValueError):
            table[name] = value
        with pytest.raises(ValueError):
            table.add(name, value)


def test_setdefault() -> None:
    table = Table({"a": "1"})
    assert table.setdefault("A", "2") == "1"
    assert table.setdefault("b", "2") == "2"
    assert table["b"] == "2"


def test_popitem_removes_what_it_returns() -> None:
    table = Table.from_pairs([("a", "1"), ("b", "2")])
    assert "a" in table
    assert table.popitem() == ("a", "1")
    assert "a" not in table
    assert table.popitem() == ("b", "2")
    with pytest.raises(KeyError):
        table.popitem()


def test_copy_is_of_the_same_kind_and_independent() -> None:
    class Mine(Table):
        pass

    table = Mine.from_pairs([("a", "1"), ("A", "2")])
    copy = table.copy()
    assert type(copy) is Mine
    assert copy["a"] == "2"
    copy["b"] = "3"
    assert "b" not in table


def test_equality_and_hash() -> None:
    assert Table({"A": "1"}) == Table({"a": "1"})
    assert Table({"A": "1"}) == {"a": "1"}
    assert Table({"A": "1"}) != {"a": "2"}
    assert Table.from_pairs([("a", "1"), ("a", "2")]) == {"a": ["1", "2"]}
    assert Table() != 5
    with pytest.raises(TypeError):
        hash(Table())


def test_repr_reads_like_a_dict() -> None:
    assert repr(Table({"a": "x'"})) == """{'a': "x'"}"""


@pytest.mark.parametrize("method", ["iteritems", "iterkeys", "itervalues", "__iter__"])
def test_resizing_while_iterating_is_an_error(method: str) -> None:
    table = Table({"a": "1", "b": "2"})
    iterator = getattr(table, method)()
    next(iterator)
    table.add("c", "3")
    with pytest.raises(RuntimeError):
        next(iterator)


def test_iteration_sees_duplicates() -> None:
    table = Table.from_pairs([("a", "1"), ("A", "2")])
    assert list(table) == ["a", "A"]
    assert list(table.itervalues()) == ["1", "2"]
    assert list(table.iteritems()) == [("a", "1"), ("A", "2")]


class TestHeaders:
    @pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x", "a\nb", "a\rb", "a\0b", "\r\n"])
    def test_what_splits_a_response_is_refused(self, value: str) -> None:
        table = HeaderTable()
        for store in (table.__setitem__, table.add, table.setdefault):
            with pytest.raises(ValueError, match="X-A"):
                store("X-A", value)
        with pytest.raises(ValueError):
            table.update({"X-A": value})
        with pytest.raises(ValueError):
            table["X-A"] = value.encode()
        assert len(table) == 0

    @pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "\xe9", "a\0"])
    def test_names_are_tokens(self, name: str) -> None:
        with pytest.raises(ValueError):
            HeaderTable()[name] = "x"

    def test_values_have_a_form_on_the_wire(self) -> None:
        table = HeaderTable()
        table["X-A"] = "caf\xe9\tau lait"
        with pytest.raises(TypeError, match="ISO-8859-1"):
            table["X-B"] = "\u20ac"
        assert table.items() == [("X-A", "caf\xe9\tau lait")]

    def test_subclasses_of_str_are_strings(self) -> None:
        class Text(str):
            __slots__ = ()

        table = HeaderTable()
        table[Text("X-A")] = Text("b")
        assert [type(part) for part in table.items()[0]] == [str, str]


NAMES = st.sampled_from(["a", "A", "b", "B", "Long-Name", "long-name"])
VALUES = st.text(st.characters(max_codepoint=255, exclude_characters="\0\r\n"), max_size=5)
ACTIONS = st.sampled_from(["set", "add", "del", "look", "pop", "default"])
STEPS = st.lists(st.tuples(ACTIONS, NAMES, VALUES), max_size=30)


@given(STEPS, st.sampled_from([Table, HeaderTable]))
def test_any_sequence_of_changes_agrees_with_a_list_of_pairs(
    steps: list[tuple[str, str, str]], kind: type[Table]
) -> None:
    table, model = kind(), list[tuple[str, str]]()
    for step, name, value in steps:
        key = name.lower()
        places = [i for i, pair in enumerate(model) if pair[0].lower() == key]
        if step == "set":
            table[name] = value
            if places:
                model[places[0]] = (model[places[0]][0], value)
                model = [pair for i, pair in enumerate(model) if i not in places[1:]]
            else:
                model.append((name, value))
        elif step == "add":
            table.add(name, value)
            model.append((name, value))
        elif step == "del":
            del table[name]
            model = [pair for i, pair in enumerate(model) if i not in places]
        elif step == "pop" and model:
            assert table.popitem() == model.pop(0)
        elif step == "default":
            assert table.setdefault(name, value) == (model[places[0]][1] if places else value)
            if not places:
                model.append((name, value))
        values = [pair[1] for pair in model if pair[0].lower() == key]
        if step == "look":
            assert table.get(name) == (values[0] if values else None)
            if values:
                assert table[name] == (values if len(values) > 1 else values[0])
        assert table.items() == model
        assert (name in table) == bool(values)


def test_of_several_values_programs_get_the_last() -> None:
    table = Table.from_pairs([("A", "1"), ("B", "2"), ("a", "3")])
    table.put({"C": "4"})
    assert list(table["A"]) == ["1", "3"]
    table.settle()
    assert table.items() == [("a", "3"), ("B", "2"), ("C", "4")]
    assert table.get("A") == "3"
