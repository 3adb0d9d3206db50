"""``mpserver --trace URL``: asks the running server, and prints what became of the request step by step."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from mpserver.cli.status import ask, plain
from mpserver.config.entries import FILES
from mpserver.config.host_names import ANY
from mpserver.errors import StartError
from mpserver.modules import core
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.config.configuration import Configuration, ReadServer
    from mpserver.config.entries import Entry

#: Seconds: longer than the master waits for all of it.
PATIENCE = 120.0
PORTS = {"http": 80, "https": 443}
#: What steps return.
RESULTS = {0: "OK", -1: "DECLINED", -2: "DONE"}
#: Of the plan, what is told elsewhere, or says nothing here.
LEFT_OUT = frozenset({"runs in", "virtual host", "access logs", "after the response"})
#: What requests are, by what they are called on their way.
KINDS = {"request": "Request", "redirect": "Internal redirect", "sub-request": "Sub-request"}


class Wanted(NamedTuple):
    """A URL, taken apart."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the field Host says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def head(self) -> str:
        """The request."""
        fields = f"Host: {self.authority}\r\nUser-Agent: mpserver --trace\r\nAccept: */*\r\nConnection: close\r\n"
        return f"GET {self.target} HTTP/1.1\r\n{fields}\r\n"


def parse(url: str) -> Wanted:
    """Take a URL apart. :raises StartError: it is none that a server could be asked for."""
    form = "write it as http://www.example.com/path"
    if not url.isascii() or not url.isprintable() or " " in url:
        raise StartError(f"--trace {url!r}: a URL has only ASCII without blanks; write others as %20: {form}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise StartError(f"--trace {url!r}: {error}: {form}") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise StartError(f"--trace {url!r} is no URL with a scheme and a host: {form}")
    if parts.username is not None:
        raise StartError("--trace: a URL with a user is nothing for a command line, which everybody sees: " + form)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Wanted(parts.scheme, parts.hostname, PORTS[parts.scheme] if port is None else port, target)


def trace(pid_file: str, url: str, configuration: Configuration) -> int:
    """Ask, and tell on standard output. :returns: 0, or 1 where not all could be told: it was told why.

    :raises StartError: the URL is none, or no server answers.
    """
    wanted = parse(url)
    address = _address(wanted, configuration)
    command = {
        "command": "trace", "request": wanted.head, "address": address, "port": wanted.port,
        "tls": wanted.scheme == "https",
    }  # fmt: skip
    found = next(ask(pid_file, command, PATIENCE), None)
    if found is None:
        raise StartError("--trace: the server ended before it was done")
    why = found.get("error") or found["why"]
    if why:
        raise StartError(f"--trace: {plain(why)}")
    for line in _answer(wanted, found):
        print(plain(line))
    if found["told"] is None:
        raise StartError(
            f"--trace: what became of the request was not told within {found['seconds']:g} seconds after its answer: "
            "an interpreter that it has passed is busy, or was ended. --status shows what they do"
        )
    try:
        lines = list(_told(configuration, json.loads(found["told"])))
    except (ValueError, KeyError, TypeError, IndexError) as error:  # (interpreters tell it, which run applications)
        raise StartError(f"--trace: what was told of the request makes no sense: {error!r}") from error
    for line in lines:
        print(plain(line))
    return 0


def _address(wanted: Wanted, configuration: Configuration) -> str:
    """The address at which the request comes in. :raises StartError: the server does not listen at its port."""
    listens = [its for its in configuration.main.conf[core.LISTEN] if not its.file and not its.name]
    if not any(its.port == wanted.port for its in listens):
        ports = ", ".join(sorted({str(its.port) for its in listens}, key=int)) or "none"
        raise StartError(f"--trace: the server does not listen at port {wanted.port}, but at: {ports}")
    if wanted.host.replace(".", "").isdigit() or ":" in wanted.host:
        return wanted.host
    tables = configuration.host_table.tables
    if any(address != ANY for address, _port in tables):  # (hosts by address: which one is meant?)
        try:
            its_addresses = [info[4][0] for info in socket.getaddrinfo(wanted.host, wanted.port)]
        except OSError:
            its_addresses = []
        for address in its_addresses:
            if {(str(address), wanted.port), (str(address), 0)} & tables.keys():
                return str(address)
    own = [its.host for its in listens if its.port == wanted.port]
    return next((host for host in own if host), "127.0.0.1")


# ---- what is told


def _answer(wanted: Wanted, found: Mapping[str, Any]) -> Iterator[str]:
    yield f"GET {wanted.scheme}://{wanted.authority}{wanted.target}"
    status, *fields = found["head"].partition("\r\n\r\n")[0].split("\r\n")
    if not status:
        yield "  no answer: the connection was closed"
        return
    yield f"  {status.partition(' ')[2]}"
    for field in fields:
        if field.partition(":")[0].lower() in ("content-type", "location", "allow", "content-encoding"):
            yield f"  {field}"


def _told(configuration: Configuration, told: dict[str, Any]) -> Iterator[str]:
    servers: tuple[ReadServer, ...] = (configuration.main, *configuration.hosts)
    server = servers[told["server"]] if told["server"] < len(servers) else configuration.main
    what = "the virtual host" if server.is_virtual else "the main server"
    yield ""
    yield f"Server: {what} {told['name']} ({_place((server.defn_name, server.defn_line))})"
    yield f"Time: {told['seconds'] * 1000:.2f} ms"
    yield from _events(told["events"], _places(server))
    yield ""
    yield f"Status: {told['status']}, with {told['sent']} bytes of content"


def _events(events: list[Any], places: Mapping[tuple[str, str], list[tuple[str, int]]]) -> Iterator[str]:
    told = [(json.loads(name), began, ended, result) for name, began, ended, result in events]
    told.sort(key=lambda its: its[1])
    found = [its[0][1] for its in told if its[0][0] == "found"]
    title, where, begun = "", "", False
    for (kind, *facts), began, ended, result in told:
        if kind == "found":
            request = found.pop(0)
            # (of the phases before the resource is known the same is told as of it)
            final = not request["early"] or not any(its["uri"] == request["uri"] for its in found)
            new = f"{KINDS[request['kind']]}: {request['uri']}"
            if new != title:
                yield ""
                yield new
                title, where = new, ""
            if request["interpreter"] != where:
                where = request["interpreter"]
                yield f"  interpreter: {where}"
            if final:
                yield from _request(request, places)
            begun = False
            continue
        if not begun:
            yield "  steps:"
            begun = True
        step, _uri, _where, why = facts
        text = f"{RESULTS.get(result, result)}{f' ({why})' if why else ''}"
        yield f"    {step}: {text}, {(ended - began) * 1000:.2f} ms"


def _request(facts: Mapping[str, Any], places: Mapping[tuple[str, str], list[tuple[str, int]]]) -> Iterator[str]:
    if not facts["interpreter"]:
        yield "  interpreter: none was reached"
    if facts["filename"] is None:
        yield "  file: none"
    else:
        yield f"  file: {facts['filename']}{'' if facts['exists'] else ', which is not there'}"
    if facts["path_info"]:
        yield f"  path info: {facts['path_info']}"
    yield "  sections, in the order of merging:"
    yield from (f"    {line}" for line in _sections(facts["sections"], places) or ["none"])
    yield "  plan:"
    for title, text in facts["plan"]:
        if title not in LEFT_OUT:
            yield from (f"    {title}: {line}" for line in text.splitlines() or [""])
    yield "  merged configuration:"
    yield from (f"    {title}: {text}" for title, text in facts["settings"])


def _sections(sections: list[tuple[str, str]], places: Mapping[tuple[str, str], list[tuple[str, int]]]) -> list[str]:
    """Sections as they are written, with the places of those that are known."""
    lines = []
    seen: dict[tuple[str, str], int] = {}
    for kind, pattern in sections:
        number = seen[kind, pattern] = seen.get((kind, pattern), -1) + 1
        its = places.get((kind, pattern), [])
        known = len(its) == sum(list(one) == [kind, pattern] for one in sections)
        where = f" ({_place(its[number])})" if known else ""
        lines.append(f"{pattern}{kind}" if kind.startswith(".") else f"<{kind} {pattern}>{where}")
    return lines


def _places(server: ReadServer) -> dict[tuple[str, str], list[tuple[str, int]]]:
    """Where the sections of a server stand, by what they are called: in the order in which they are merged."""
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    sections = server.sections
    outer = (*sections.directories, *sections.directory_matches, *sections.locations)
    inner: tuple[Entry, ...] = tuple(
        entry for conf in (sections.base, *(its.conf for its in outer)) for entry in conf[FILES]
    )
    for entry in (*outer, *inner):
        if entry.place is not None:
            found.setdefault((entry.kind, entry.pattern), []).append(entry.place)
    return found


def _place(place: tuple[str, int]) -> str:
    file, line = place
    return f"line {line} of {file}" if line else file
