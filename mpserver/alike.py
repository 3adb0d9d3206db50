"""What may be meant by a name that is nearly a known one, for the ends of messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def nearest(wanted: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """The known name that is most like the one that is wanted; "" if none is.

    :param likeness: how like it has to be, from 0 to 1, as ``difflib`` counts.
    """
    import difflib  # (only where something is wrong)

    found = difflib.get_close_matches(wanted, list(known), 1, likeness)
    return found[0] if found else ""


def question(meant: str, before: str = ": ") -> str:
    """The question whether something was meant, to follow a message; "" if that is nothing.

    :param before: what stands between the message and the question.
    """
    return f"{before}did you mean {meant}?" if meant else ""


def asked(
    wanted: str, known: Iterable[str], before: str = ": ", *, likeness: float = 0.6, shown: Callable[[str], str] = str
) -> str:
    """The question whether the nearest known name was meant, to follow a message; "" if there is none.

    :param before: what stands between the message and the question.
    :param shown: how the name is written; the known ones may be so only for being compared.
    """
    found = nearest(wanted, known, likeness)
    return question(shown(found), before) if found else ""
