"""Traces: what is taken for a traceparent (W3C Trace Context 3.2), what is sampled, and what directives refuse."""

from __future__ import annotations

import re

import pytest

from modules.scopes import Scope
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError
from mpserver.http1.head import Head, Limits, parse_head
from mpserver.modules.tracing import NEW, OFF, ON, context
from mpserver.modules.tracing.places import Context

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{PARENT}-01"


def head(*lines: str) -> Head:
    """A request's head with these fields."""
    data = "\r\n".join(("GET / HTTP/1.1", "Host: a", *lines, "", "")).encode("latin-1")
    made = parse_head(data, Limits())
    assert made is not None
    return made


def begun(*lines: str, believes: bool = True, share: float = 1.0) -> tuple[str, str]:
    return Context(believes=believes, share=share).begin(head(*lines))


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        (GIVEN, "01"),
        (GIVEN[:-1] + "0", "00"),
        (GIVEN[:-2] + "fe", "00"),  # (flags that nobody knows are not passed on)
        (GIVEN[:-2] + "ff", "01"),
        (f"01-{TRACE}-{PARENT}-01", "01"),
        (f"cc-{TRACE}-{PARENT}-00-what-will-be", "00"),
        (f"cc-{TRACE}-{PARENT}-01-", "01"),
    ],
)
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_trace_goes_on_as_the_client_samples_it(given: str, flags: str, share: float) -> None:
    text, parent = begun(f"TraceParent: {given} ", share=share)
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-{flags}", text)
    assert parent == PARENT != text[36:52]


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("traceparent: ",),
        (f"traceparent: ff-{TRACE}-{PARENT}-01",),
        (f"traceparent: {GIVEN}-",),
        (f"traceparent: {GIVEN}-00",),
        (f"traceparent: {GIVEN}0",),
        (f"traceparent: {GIVEN[:-1]}",),
        (f"traceparent: {GIVEN.upper()}",),
        (f"traceparent: 00-{TRACE.upper()}-{PARENT}-01",),
        (f"traceparent: 00-{'0' * 32}-{PARENT}-01",),
        (f"traceparent: 00-{TRACE}-{'0' * 16}-01",),
        (f"traceparent: 00-{TRACE[:-1]}g-{PARENT}-01",),
        (f"traceparent: 0-{TRACE}-{PARENT}-01",),
        (f"traceparent: 00_{TRACE}_{PARENT}_01",),
        (f"traceparent: cc-{TRACE}-{PARENT}-01.more",),
        (f"traceparent: {GIVEN}", f"traceparent: {GIVEN}"),
        (f"trace-parent: {GIVEN}",),
    ],
)
def test_anything_else_begins_another_one(lines: tuple[str, ...]) -> None:
    text, parent = begun(*lines)
    assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01", text)
    assert parent == ""
    assert TRACE not in text
    assert begun(*lines)[0] != text


def test_clients_that_are_not_believed_begin_none() -> None:
    text, parent = begun(f"traceparent: {GIVEN}", believes=False)
    assert (TRACE in text, parent) == (False, "")


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.5, 350, 650), (1.0, 1000, 1000)])
def test_a_share_of_new_traces_is_sampled(share: float, least: int, most: int) -> None:
    made = Context(believes=True, share=share)
    assert least <= sum(made.begin(head())[0].endswith("-01") for _ in range(1000)) <= most


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", OFF),
        ("TraceContext On", ON),
        ("TraceContext new", NEW),
        ("TraceContext Off", OFF),
        ("TraceSampling 0.5", ON),
        ("TraceSampling 0.5\nTraceContext Off", OFF),
    ],
)
def test_where_traces_are_made(text: str, kind: str) -> None:
    scope = Scope()
    for line in text.splitlines():
        scope.say(line)
    assert context(scope.server) == kind
    assert context(Conf()) == OFF


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("TraceContext Maybe", 'TraceContext "Maybe" must be one of: on, new, off'),
        *(
            (
                f"TraceSampling {word}",
                f'TraceSampling "{word}" must be a number from 0 to 1: 0.1 samples one of ten traces',
            )
            for word in ("2", "1.1", "-0.5", "10%", "1e-3", "nan", "\u0660.\u0665", "0..1")
        ),
    ],
)
def test_faults(line: str, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        Scope().say(line)
