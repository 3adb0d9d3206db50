"""What is said of health checks: the parameters of BalancerMember, and the directives of mod_proxy_hcheck."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from mpserver import lazyre
from mpserver.config.expression import Expression, Tree
from mpserver.config.registry import Call
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError, ExpressionError
from mpserver.modules import values
from mpserver.modules.proxy import HC_CONDITIONS, HC_TEMPLATES, HC_THREADS, Check, Parameter, targets
from mpserver.typing import TypeVar

T = TypeVar("T")

#: The methods that there are, with the version of HTTP; None: a connection is made, and no more.
METHODS: Mapping[str, tuple[str, int] | None] = {
    "tcp": None,
    **{name.lower(): (name, 0) for name in ("OPTIONS", "HEAD", "GET")},
    **{name.lower() + "11": (name, 1) for name in ("OPTIONS", "HEAD", "GET")},
}
#: Seconds between two checks, where nothing is said of it, and at least.
INTERVAL, LEAST = 30.0, 0.1
#: So long the names of conditions may be, and what is put behind a URL (httpd's).
LONGEST_NAME, LONGEST_URI = 15, 63

#: What a condition may ask of an answer, and of nothing else: there is no request, and no client.
VARIABLES = frozenset(
    ("REQUEST_STATUS", "HC_BODY", "TIME", "TIME_DAY", "TIME_HOUR", "TIME_MIN", "TIME_MON", "TIME_SEC", "TIME_WDAY",
     "TIME_YEAR")
)  # fmt: skip
NO_FUNCTIONS = frozenset(("v", "env", "reqenv", "note", "req", "req_novary"))
NO_OPERATORS = frozenset(("-A", "-U", "-R"))

_NAMED = lazyre.compile(r"\s*(\"[^\"]*\"|'[^']*'|\S+)\s*(.*?)\s*\Z", 16)  # re.DOTALL


def _method(call: Call, word: str) -> str:
    name = word.lower()
    if name == "none" or name in METHODS:
        return name
    if name in ("cping", "provider"):
        raise ConfigError(f"Health check method {word} not (yet) implemented")
    raise ConfigError(f"{call.name}: unknown hcmethod {word}: there are {', '.join(map(str.upper, METHODS))}")


def _interval(call: Call, word: str) -> float:
    found = values.seconds(call, word)
    if found < LEAST:
        raise ConfigError(f"{call.name}: the interval must be a positive value of at least {LEAST * 1000:g}ms")
    return found


def _uri(call: Call, word: str) -> str:
    if len(word) > LONGEST_URI:
        raise ConfigError(f"{call.name}: Health check uri length must be < {LONGEST_URI + 1} characters")
    if not word.isascii() or any(ord(char) <= 32 or ord(char) == 127 or char == "#" for char in word):
        raise ConfigError(f"{call.name}: hcuri={word} has a sign in it that can't be sent: encode it with %")
    return word


def _condition(call: Call, word: str) -> str:
    if word not in _known(call, HC_CONDITIONS):
        raise ConfigError(f"{call.name}: Unknown health check condition expr: {word}: write ProxyHCExpr before it")
    return word


PARAMETERS: Mapping[str, Callable[[Call, str], Parameter]] = {
    "hcmethod": _method,
    "hcinterval": _interval,
    "hcpasses": values.number(0, 1 << 31),
    "hcfails": values.number(0, 1 << 31),
    "hcuri": _uri,
    "hcexpr": _condition,
}
TEMPLATE = "hctemplate"
#: All of them.
NAMES = frozenset((*PARAMETERS, TEMPLATE))


def _known(call: Call, setting: Setting[dict[str, T]]) -> Mapping[str, T]:
    """The templates or conditions that a server has: its own, and those of the main server."""
    return {**call.main.values.get(setting, {}), **call.server.values.get(setting, {})}


def read(call: Call, words: Iterable[str]) -> dict[str, Parameter]:
    """Parameters of checks, as they are written; a template has said what its own parameters say.

    :raises ConfigError: one is not known, or its value is none for it.
    """
    found: dict[str, Parameter] = {}
    for word in words:
        key, _, value = word.partition("=")
        name = key.lower()
        if name == TEMPLATE:
            template = _known(call, HC_TEMPLATES).get(value.lower())
            if template is None:
                raise ConfigError(f"{call.name}: Unknown ProxyHCTemplate name: {value}: write the directive before it")
            found.update(template)
            continue
        reader = PARAMETERS.get(name)
        if reader is None or not value:
            raise ConfigError(f"{call.name}: {word!r} is no parameter of a check: write {', '.join(sorted(NAMES))}")
        found[name] = reader(call, value)
    return found


def check(call: Call, url: str, told: Mapping[str, Parameter], status: str) -> Check | None:
    """The health check of a member; None: it has none.

    :raises ConfigError: it can't be asked so.
    """
    method = str(told.get("hcmethod", "none"))
    if method == "none":
        return None
    target = targets.parse(url)
    spoken = METHODS[method]
    if target is not None and spoken is not None and target.scheme in ("fcgi", "uwsgi"):
        raise ConfigError(
            f"{call.name} {url}: hcmethod={method.upper()} can't be asked by {target.scheme}: write hcmethod=TCP"
        )
    name, minor = spoken or ("TCP", 0)
    condition = _known(call, HC_CONDITIONS).get(str(told.get("hcexpr", "")))
    interval, passes, fails = float(told.get("hcinterval", INTERVAL)), told.get("hcpasses", 1), told.get("hcfails", 1)
    # (its number is made of what else the server says, see `mpserver.modules.proxy.checks.number`)
    return Check(
        0, name, minor, interval, int(passes), int(fails), str(told.get("hcuri", "")), condition, "C" in status
    )


# ---- directives


def template(call: Call) -> None:
    """ProxyHCTemplate name key=value ..., of the server, wherever it stands (as in httpd)."""
    if not call.args:
        raise ConfigError(f"Missing template name for {call.name}")
    name, *words = call.args
    # (as in httpd: a template says how, if it says no more than how often)
    found = {"hcmethod": "tcp", **read(call, words)}
    call.server[HC_TEMPLATES] = {**call.server.values.get(HC_TEMPLATES, {}), name.lower(): found}


def condition(call: Call) -> None:
    """ProxyHCExpr name {expression}."""
    match = _NAMED.match(call.raw)
    if match is None:
        raise ConfigError(f"Missing expression name for {call.name}")
    name, text = match[1].strip("\"'"), match[2]
    if len(name) > LONGEST_NAME:
        raise ConfigError(f"{call.name} {name}: Expression name limited to {LONGEST_NAME} characters")
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    elif len(call.args) == 2:
        text = call.args[1]
    elif text:
        raise ConfigError(f"{call.name} {name}: extra parameter(s): put the expression into braces")
    if not text:
        raise ConfigError(f"Missing expression for {call.name}")
    call.server[HC_CONDITIONS] = {**call.server.values.get(HC_CONDITIONS, {}), name: _read(call, text)}


def _read(call: Call, text: str) -> Expression:
    from mpserver.config import expression_grammar  # (few configurations have any)

    try:
        found = expression_grammar.of_answer(text)
    except ExpressionError as error:
        raise ConfigError(f'{call.name}: Could not parse expression "{text}": {error}') from error
    strange = next(_strange(found.tree), None)
    if strange is not None:
        raise ConfigError(
            f"{call.name}: {strange} says nothing of the answer to a check: write %{{REQUEST_STATUS}}, hc('body') or "
            "resp('Name-Of-Header')"
        )
    return found


def _strange(tree: Tree) -> Iterator[str]:
    """What a condition asks that only a request would know."""
    kind = tree[0] if tree else None
    if kind == "variable" and tree[1] not in VARIABLES:
        yield f"%{{{tree[1]}}}"
    elif kind == "call" and tree[1] in NO_FUNCTIONS:
        yield f"{tree[1]}()"
    elif kind == "unary" and tree[1] in NO_OPERATORS:
        yield str(tree[1])
    elif kind == "client in":
        yield "-R"
    for part in tree:
        if type(part) is tuple:
            yield from _strange(part)


def threads(call: Call) -> None:
    """ProxyHCTPsize."""
    call.server[HC_THREADS] = values.number(0, 1024)(call, call.args[0])
