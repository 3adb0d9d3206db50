"""The guards of published objects: ``__auth__``, ``__access__``, ``__auth_realm__`` (manual 6.1.2).

They are attributes of modules and objects, or, for functions and methods, names in their code: a
nested function or an assigned constant. Those are searched by name among the code's own; a guard
that is there but can't be worked out closes the door instead of leaving it open.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from functools import lru_cache
from types import CodeType, FunctionType, MethodType, ModuleType

from mpserver.api import constants
from mpserver.api.constants import SERVER_RETURN
from mpserver.typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import dis

    from mpserver.api.request import Request

AUTH, ACCESS, REALM = "__auth__", "__access__", "__auth_realm__"
GUARDS = frozenset({AUTH, ACCESS, REALM})
DEFAULT_REALM = "unknown"

#: Says that there is no such guard (None is a constant, which closes the door).
MISSING: Any = object()

#: Opcodes that put a constant on the stack, and those that store the top of it in a local variable.
CONSTANTS = frozenset({"LOAD_CONST", "LOAD_SMALL_INT", "LOAD_CONST_IMMORTAL", "LOAD_CONST_MORTAL"})
STORES = frozenset({"STORE_FAST", "STORE_DEREF", "STORE_FAST_LOAD_FAST"})
#: Stores of two variables at once: what goes into which one is not looked into.
AMBIGUOUS = frozenset({"STORE_FAST_STORE_FAST"})


class Guard:
    """The checks along one request's way: realm and credentials go with it from object to object."""

    __slots__ = ("_credentials", "_parsed", "_realm", "_req")

    def __init__(self, req: Request) -> None:
        self._req = req
        self._realm = DEFAULT_REALM
        self._credentials: tuple[str, str] | None = None
        self._parsed = False

    def check(self, found: Any) -> None:
        """Pass an object's guards, in the manual's order.

        :raises SERVER_RETURN: 401 by ``__auth__``, 403 by ``__access__``, 400 for credentials of another kind.
        """
        kind = type(found)
        if kind is FunctionType:
            if _is_plain(found):
                return
        elif kind is ModuleType and found.__dict__.keys().isdisjoint(GUARDS):
            return
        realm = find(found, REALM)
        if realm is not MISSING:
            self._realm = str(realm)
        auth = find(found, AUTH)
        if auth is not MISSING:
            self._authenticate(auth)
        access = find(found, ACCESS)
        if access is not MISSING:
            self._authorize(access)

    def _authenticate(self, auth: Any) -> None:
        credentials = self._read()
        if credentials is None:
            self._challenge("=")
        user, password = credentials
        if callable(auth):
            passed = auth(self._req, user, password)
        elif isinstance(auth, Mapping):
            passed = _same(auth.get(user), password)
        else:
            passed = auth
        if not passed:
            self._challenge(" = ")

    def _authorize(self, access: Any) -> None:
        user = self._req.user
        if user is None or self._is_basic():
            credentials = self._read()
            user = credentials[0] if credentials is not None else user
        if callable(access):
            passed = access(self._req, user)
        elif isinstance(access, Collection) and not isinstance(access, str | bytes):
            passed = user in access
        else:
            passed = access
        if not passed:
            raise SERVER_RETURN(constants.HTTP_FORBIDDEN)

    def _challenge(self, equals: str) -> NoReturn:
        realm = self._realm.replace("\\", "\\\\").replace('"', '\\"')
        self._req.err_headers_out["WWW-Authenticate"] = f'Basic realm{equals}"{realm}"'
        raise SERVER_RETURN(constants.HTTP_UNAUTHORIZED)

    def _is_basic(self) -> bool:
        header: str | None = self._req.headers_in.get("Authorization")
        return header is not None and header.partition(" ")[0].lower() == "basic"

    def _read(self) -> tuple[str, str] | None:
        """User and password of Basic authentication (RFC 7617); None without an Authorization header."""
        if not self._parsed:
            self._credentials = self._parse(self._req.headers_in.get("Authorization"))
            self._parsed = True
        return self._credentials

    def _parse(self, header: str | None) -> tuple[str, str] | None:
        if header is None:
            return None
        data = header.partition(" ")[2].strip()
        try:
            decoded = base64.b64decode(data.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise SERVER_RETURN(constants.HTTP_BAD_REQUEST) from None
        if not self._is_basic() or b":" not in decoded:
            raise SERVER_RETURN(constants.HTTP_BAD_REQUEST)
        try:
            text = decoded.decode()
        except UnicodeDecodeError:
            text = decoded.decode("latin-1")
        user, _, password = text.partition(":")
        return user, password


def _same(expected: object, password: str) -> bool:
    """Compare passwords in a time that does not tell how much of them is right."""
    if not isinstance(expected, str):
        return False
    import hmac

    return hmac.compare_digest(expected.encode(), password.encode())


# ---- where guards are found


def find(found: Any, name: str) -> Any:
    """An object's guard of that name, or MISSING."""
    if type(found) is MethodType:
        # not the attribute of the class: that guarded the instance already
        return _of_function(found.__func__, name)
    if type(found) is FunctionType:
        return _of_function(found, name)
    if type(found) is ModuleType:
        return found.__dict__.get(name, MISSING)
    return getattr(found, name, MISSING)


def _is_plain(function: FunctionType) -> bool:
    """Whether a function has no names but its parameters, and so no guards: the usual case, told quickly."""
    code = function.__code__
    return len(code.co_varnames) == code.co_argcount and not code.co_cellvars and not function.__dict__


def _of_function(function: Any, name: str) -> Any:
    """A function's guard: its attribute, or that name in its code or in that of the function it wraps."""
    seen = 0
    while type(function) is FunctionType and seen < 100:
        attribute = function.__dict__.get(name, MISSING) if function.__dict__ else MISSING
        if attribute is not MISSING:
            return attribute
        code = function.__code__
        if name in code.co_varnames[_count(code) :] or name in code.co_cellvars:
            return _in_code(function, code, name)
        function = function.__dict__.get("__wrapped__") if function.__dict__ else None
        seen += 1
    return MISSING


def _count(code: CodeType) -> int:
    """How many of the code's local variables are parameters."""
    flags = code.co_flags
    return code.co_argcount + code.co_kwonlyargcount + bool(flags & 0x04) + bool(flags & 0x08)


def _in_code(function: FunctionType, code: CodeType, name: str) -> Any:
    """The nested function, or the constant, that the code assigns to a name of its own.

    :raises TypeError: it is something else, which only running the function would tell.
    """
    value = _assigned(code, name)
    if value is MISSING:
        raise TypeError(
            f"{name} in {function.__qualname__}() must be one function or one constant for the publisher to find it"
        )
    return _made(function, value, name) if isinstance(value, CodeType) else value


@lru_cache(maxsize=256)
def _assigned(code: CodeType, name: str) -> Any:
    """The constant, or the code of the function, that the code assigns to a name in one place; else MISSING."""
    import dis

    road: list[dis.Instruction] = []
    values: list[Any] = []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "EXTENDED_ARG":
            continue
        if instruction.opname.startswith("STORE_"):
            target = instruction.argval
            names = target if isinstance(target, tuple) else (target,)
            if names[0] == name and instruction.opname in STORES:
                # (a jump to here comes with another value)
                values.append(MISSING if instruction.is_jump_target else _value(road))
            elif name in names and instruction.opname in AMBIGUOUS:
                values.append(MISSING)
        road.append(instruction)
    return values[0] if len(values) == 1 else MISSING


def _value(road: list[dis.Instruction]) -> Any:
    """What the last instructions have put on the stack: a constant, or the code of a function without decorators."""
    steps = reversed(road)
    last = next(steps, None)
    if last is not None and last.opname in CONSTANTS:
        return last.argval
    while last is not None and last.opname == "SET_FUNCTION_ATTRIBUTE":
        last = next(steps, None)
    if last is not None and last.opname == "MAKE_FUNCTION":
        last = next(steps, None)
        if last is not None and isinstance(last.argval, CodeType):
            return last.argval
    return MISSING


def _made(function: FunctionType, code: CodeType, name: str) -> FunctionType:
    """The nested function, without running the one around it: with its globals, and what that has closed over."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
    missing = [free for free in code.co_freevars if free not in cells]
    if missing:
        raise TypeError(
            f"{name} in {function.__qualname__}() uses {', '.join(missing)} of the function around it,"
            " which has not run when the publisher asks"
        )
    return FunctionType(code, function.__globals__, name, None, tuple(cells[free] for free in code.co_freevars))
