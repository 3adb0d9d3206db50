"""Macro, Use and UndefMacro. What httpd 2.4 makes of the same lines was asked for quoting and for the messages."""

from __future__ import annotations

import pytest

from config.conftest import LoadText
from config.small import NOTE
from mpserver.errors import ConfigErrors


def notes(load_text: LoadText, text: str) -> tuple[str, ...]:
    return load_text(text).main.base[NOTE]


def test_the_lines_stand_where_the_macro_is_used(load_text: LoadText) -> None:
    text = "<Macro two $first $second>\nNote $first-$second\nNote end\n</Macro>\nNote begin\nUse TWO a b\nUse two c d\n"
    assert notes(load_text, text) == ("begin", "a-b", "end", "c-d", "end")


def test_longer_parameters_are_replaced_first_and_values_not_again(load_text: LoadText) -> None:
    text = "<Macro m $a $ab>\nNote $ab\nNote $a\n</Macro>\nUse m $ab x\n"
    assert notes(load_text, text) == ("x", "$ab")


@pytest.mark.parametrize(
    ("sign", "argument", "read"),
    [
        ("@", '"two words"', "two words"),
        ("@", "'it\"s x'", 'it"s x'),
        ("@", '"c:\\\\ d"', "c:\\ d"),
        ("@", '""', ""),
        ("%", "one", "one"),
        ("$", '"one"', "one"),
    ],
)
def test_an_argument_is_put_in_as_text_or_as_one_word(load_text: LoadText, sign: str, argument: str, read: str) -> None:
    assert notes(load_text, f"<Macro m {sign}a>\nNote {sign}a\n</Macro>\nUse m {argument}\n") == (read,)


def test_a_parameter_may_hold_a_directive_and_sections(load_text: LoadText) -> None:
    text = (
        "<Macro host $name $what>\n<VirtualHost *:80>\nServerName $name.example\n$what\n</VirtualHost>\n</Macro>\n"
        'Use host a "Note x"\nUse host b "Note y"\n'
    )
    configuration = load_text(text)
    assert [(host.name, host.base[NOTE]) for host in configuration.hosts] == [
        ("a.example", ("x",)), ("b.example", ("y",)),
    ]  # fmt: skip


def test_macros_use_macros_and_variables_of_their_use(load_text: LoadText) -> None:
    text = (
        "<Macro inner $a>\nNote inner-$a-${V}\n</Macro>\n<Macro outer $b>\nDefine V $b\nUse inner $b\n</Macro>\n"
        "Use outer 1\nUse outer 2\n"
    )
    assert notes(load_text, text) == ("inner-1-1", "inner-2-2")


def test_conditions_hold_for_them(load_text: LoadText) -> None:
    text = (
        "<IfDefine NO>\n<Macro m>\nNote no\n</Macro>\n</IfDefine>\n<Macro m>\n<IfDefine NO>\nNote no\n</IfDefine>\n"
        "Note yes\n</Macro>\nUse m\n<IfDirective Use>\nNote known\n</IfDirective>\n<IfSection Macro>\n"
        "Note too\n</IfSection>\n"
    )
    assert notes(load_text, text) == ("yes", "known", "too")


def test_what_is_read_later_may_use_another_macro_of_the_name(load_text: LoadText) -> None:
    text = "<Macro m>\nNote 1\n</Macro>\nUse m\nUndefMacro M\n<Macro m>\nNote 2\n</Macro>\nUse m\n"
    configuration = load_text(text)
    assert configuration.main.base[NOTE] == ("1", "2")
    assert not configuration.warnings


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("Use m\n", 1, "Use: macro 'm' undefined (there are: none so far)"),
        ("Use\n", 1, "Use: no macro name specified"),
        ("UndefMacro m\n", 1, "UndefMacro: cannot remove undefined macro 'm'"),
        ("<Macro>\n</Macro>\n", 1, "<Macro> must have a name"),
        ("<Macro m $a $a>\nNote $a\n</Macro>\n", 1, "<Macro m>: parameter 2 is empty or named twice"),
        ("<Macro m\nNote x\n</Macro>\n", 1, "<Macro> directive missing closing '>'"),
        ("Note x\n<Macro m>\nNote y\n", 2, "<Macro m> was not closed: </Macro> is missing"),
        ("<Macro m>\n<Macro n>\n</Macro>\n", 2, "a macro can't be defined within another one"),
        ("<Macro m $a>\nNote $a\n</Macro>\nUse m a b\n", 4, "with 1 arguments used with 2 (in that order: $a)"),
    ],
)
def test_faults(load_text: LoadText, text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load_text(text)
    first = caught.value.errors[0]
    assert (first.line, message in first.message) == (line, True), first


def test_a_fault_in_a_macro_names_its_line_and_both_places(load_text: LoadText) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load_text("<Macro m $a>\nNote x\n<Shape\n</Macro>\nNote x\nUse m 1\n")
    first = caught.value.errors[0]
    assert first.file is not None
    assert first.file.startswith("macro 'm' (defined on line 1 of ")
    assert ") used on line 6 of " in first.file
    assert first.line == 3


def test_a_macro_that_uses_itself_is_refused(load_text: LoadText) -> None:
    text = "<Macro a>\nUse b\n</Macro>\n<Macro b>\nUse a\n</Macro>\nUse a\n"
    with pytest.raises(ConfigErrors, match="recursive use of macro 'a' is invalid"):
        load_text(text)


def test_warnings(load_text: LoadText) -> None:
    text = "<Macro m a $b $bc>\nNote $b\n</Macro>\n<Macro m>\n</Macro>\n"
    warnings = "\n".join(load_text(text).warnings)
    for part in (
        "better begin a parameter name ('a') with one of $ @ %",
        "parameter name conflict ('$b' and '$bc')",
        "parameter '$bc' never used",
        "macro 'm' multiply defined",
        ") is empty",
    ):
        assert part in warnings
