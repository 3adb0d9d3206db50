"""Code without what it says of its functions: each interpreter would keep that for itself, and none looks at it.

That are the docstrings of modules, classes and functions, and the annotations of functions, which are a quarter of what
the engine's code takes in an interpreter: from Python 3.14 on each function has another one that tells its annotations.
Annotations of classes stay: records (`mpserver.typing.NamedTuple`) are made of them.

The instructions that would store it become ones that do nothing; so all others stay where they were, and with them
what tracebacks say.
"""

from __future__ import annotations

import opcode
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from types import CodeType

#: A function's attribute for annotations, as the argument of SET_FUNCTION_ATTRIBUTE: a function that tells them, before
#: 3.14 a tuple with them. Before 3.13 there is no such instruction, and annotations stay.
ANNOTATIONS = 16 if sys.version_info >= (3, 14) else 4
#: What the function is called that tells them.
TELLER = "__annotate__"
DOC = "__doc__"

_NOTHING = opcode.opmap["NOP"]
_EXTENDED = opcode.opmap["EXTENDED_ARG"]
_CONST = opcode.opmap["LOAD_CONST"]
_FUNCTION = opcode.opmap["MAKE_FUNCTION"]
_ATTRIBUTE = opcode.opmap.get("SET_FUNCTION_ATTRIBUTE", -1)
_STORES = (opcode.opmap["STORE_NAME"], opcode.opmap["STORE_GLOBAL"])
_LOADS = frozenset(opcode.hasconst)
#: The instructions that have to do with the first constant, as they stand in code.
_FIRST = tuple(bytes((operation, 0)) for operation in _LOADS)

#: An instruction: its operation and argument; where it begins, with what extends its argument, and where it ends.
_Instruction = tuple[int, int, int, int]


def slim(code: CodeType, docs: bool = False) -> CodeType:
    """A module's code without annotations of functions, and without docstrings if nobody may see those (``docs``).

    What is inside its functions and classes is as slim.
    """
    consts = [slim(const, docs) if isinstance(const, CodeType) else const for const in code.co_consts]
    if not docs and consts and isinstance(consts[0], str) and not any(first in code.co_code for first in _FIRST):
        consts[0] = None  # (a function's docstring: no instruction has to do with it)
    makes_functions = any(isinstance(const, CodeType) for const in consts)
    has_doc = not docs and DOC in code.co_names
    if not (makes_functions or has_doc):  # (most)
        return code.replace(co_consts=tuple(consts))
    instructions = list(_instructions(code.co_code))
    dropped = [*_annotations(code, instructions), *(_docstring(code, instructions) if has_doc else ())]
    slimmed = bytearray(code.co_code)
    for _operation, _argument, begin, end in dropped:
        slimmed[begin:end] = bytes((_NOTHING, 0)) * ((end - begin) // 2)
    for unused in _loaded(dropped) - _loaded(set(instructions).difference(dropped)):
        consts[unused] = None
    return code.replace(co_code=bytes(slimmed), co_consts=tuple(consts))


def _instructions(code: bytes) -> Iterator[_Instruction]:
    begin = argument = 0
    for at in range(0, len(code), 2):
        operation, argument = code[at], argument << 8 | code[at + 1]
        if operation != _EXTENDED:
            yield operation, argument, begin, at + 2
            begin, argument = at + 2, 0


def _loaded(instructions: Iterable[_Instruction]) -> set[int]:
    """The constants that instructions have to do with."""
    return {argument for operation, argument, _begin, _end in instructions if operation in _LOADS}


def _annotations(code: CodeType, instructions: list[_Instruction]) -> Iterator[_Instruction]:
    """What makes annotations of functions, and stores them there; those of which that is not clear stay."""
    made: tuple[_Instruction, ...] = ()
    for place, one in enumerate(instructions):
        if one[0] == _ATTRIBUTE and one[1] == ANNOTATIONS:
            if made:
                yield from (*made, one)
            made = ()
        elif one[0] == _FUNCTION:
            made = _made(code, *instructions[place - 2 : place + 2]) or made


if sys.version_info >= (3, 14):

    def _made(
        code: CodeType, _before: _Instruction, load: _Instruction, function: _Instruction, then: _Instruction
    ) -> tuple[_Instruction, ...]:
        """What makes annotations, where a function is made and that is the one that tells them."""
        const = code.co_consts[load[1]]
        if not isinstance(const, CodeType) or const.co_name != TELLER or then[0] == _ATTRIBUTE:
            return ()  # (it may see variables of other functions)
        return load, function

else:

    def _made(
        code: CodeType, before: _Instruction, _load: _Instruction, _function: _Instruction, then: _Instruction
    ) -> tuple[_Instruction, ...]:
        """What makes annotations, where a function is made that gets them next."""
        if before[0] != _CONST or then[:2] != (_ATTRIBUTE, ANNOTATIONS):
            return ()
        return (before,)


def _docstring(code: CodeType, instructions: list[_Instruction]) -> Iterator[_Instruction]:
    """What stores the docstring of a module or class."""
    for load, store in pairwise(instructions):
        if load[0] == _CONST and store[0] in _STORES and code.co_names[store[1]] == DOC:
            yield load
            yield store
