"""What a configuration says and hardly means: names of nothing, and sections that undo others.

Each of these is allowed, and httpd says nothing of most. But whoever wrote ``AddHandler mod_pyton`` does not see the
page that was meant, and nobody tells why. So the start and ``-t`` warn, with the line and what to do.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator, Mapping

from mpserver import alike
from mpserver.cli import python_options, python_paths, unreached
from mpserver.config.configuration import Configuration
from mpserver.config.host_names import normal_host
from mpserver.config.tree import Node, Tree
from mpserver.modules import core, networks, ssl
from mpserver.modules.all import TABLE
from mpserver.modules.hooks import ANY_HANDLER, PROXY_PREFIX
from mpserver.modules.ssl import profiles

#: Names of handlers that stand for none: the file is sent.
_PLAIN = ("none", "default-handler")
#: What begins a path that is a pattern, or is worked out for each request.
_SIGNS = frozenset("*?[%$")


def warnings(configuration: Configuration) -> list[str]:
    """What to tell, each text with its line."""
    found: list[str] = []
    tree = configuration.tree
    actions = {node.args[0].lower() for node in _all(tree) if node.name.lower() == "action" and node.args}
    for node in _all(tree):
        look = _LOOKS.get(node.name.lower())
        if look is None or not node.args:
            continue
        text = look(node, configuration.root)
        if text and not (node.name.lower() in _HANDLERS and node.args[0].lower() in actions):
            found.append(f"{text} (line {node.line} of {node.file})")
    return [
        *found, *_shadowed(tree), *_not_encrypted(configuration), *_plain(configuration), *_unclaimed(tree),
        *_round(configuration), *unreached.found(tree, configuration.root), *_shown(configuration),
    ]  # fmt: skip


def _all(tree: Tree) -> Iterator[Node]:
    for node in tree:
        yield node
        if node.children:
            yield from _all(node.children)


# ---- names of nothing


def _missing(root: str, path: str) -> bool:
    """Whether a path, which may be relative to ServerRoot, leads nowhere. What we may not look at is there."""
    if _SIGNS.intersection(path):
        return False
    try:
        os.stat(os.path.join(root, path))
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        pass
    return False


def _directory(node: Node, root: str) -> str:
    path = node.args[0]
    if path != "~" and not path.startswith("/") and not _SIGNS.intersection(path):
        whole = os.path.join(root, path)
        return f"<{node.name} {path}> applies to nothing: its path has to begin with /: did you mean {whole}?"
    if not path.startswith("/") or not _missing(root, path):
        return ""
    return f"<{node.name} {path}> applies to nothing: there is no such folder{_near(path)}; make it, or mend the path"


def _alias(node: Node, root: str) -> str:
    if len(node.args) < 2 or not _missing(root, node.args[1]):
        return ""
    path = node.args[1]
    return f"{node.name} {node.args[0]}: there is no {path}{_near(path)}; make it, or mend the path"


def _near(path: str) -> str:
    """The question whether a neighbour of a similar name was meant."""
    folder, name = os.path.split(path.rstrip("/"))
    try:
        return alike.asked(name, os.listdir(folder), shown=lambda found: os.path.join(folder, found))
    except OSError:
        return ""


def _users(node: Node, root: str) -> str:
    path = node.args[0]
    if not _missing(root, path):
        return ""
    maker = (
        "mpserver htdigest -c FILE REALM USER" if "digest" in node.name.lower() else "mpserver htpasswd -c FILE USER"
    )
    remedy = f"{maker} makes one" if node.name.lower() != "authgroupfile" else "each of its lines is GROUP: USER USER"
    return f"{node.name} {path}: there is no such file, so nobody can come in: {remedy}"


def _handler(node: Node, _root: str) -> str:
    name = node.args[0]
    if name.lower() in _PLAIN or name.startswith(PROXY_PREFIX) or "%{" in name or node.raw.startswith("expr="):
        return ""
    known = [handler for module in TABLE for handler in module.handlers if handler != ANY_HANDLER]
    if name in known:
        return ""
    remedy = alike.asked(name, known, "") or f"an Action {name} would be one, or it is a mistake"
    return f"{node.name} {name}: there is no handler of this name, so files are sent as they are: {remedy}"


def _python_path(node: Node, _root: str) -> str:
    text = node.args[0] if len(node.args) == 1 else node.raw
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return ""  # (that is a fault, and told)
    names = {one.id for one in ast.walk(tree) if isinstance(one, ast.Name)}
    if "sys" not in names:
        return (
            f"{node.name} without sys.path: neither Python's own modules nor installed packages are found: "
            f'write {node.name} "{text} + sys.path"'
        )
    lost = [
        f"{entry}{_near(entry)}"
        for entry in python_paths.literal(text)
        if entry.startswith("/") and _missing("/", entry)
    ]
    return f"{node.name}: there is no {', and no '.join(lost)}; make it, or take it out" if lost else ""


_HANDLERS = ("addhandler", "sethandler")
#: By directives, in lower case: what looks at a use, and says what is wrong with it.
_LOOKS: Mapping[str, Callable[[Node, str], str]] = {
    "directory": _directory,
    "alias": _alias,
    "scriptalias": _alias,
    "authuserfile": _users,
    "authgroupfile": _users,
    "addhandler": _handler,
    "sethandler": _handler,
    "pythonpath": _python_path,
    "pythonoption": python_options.fault,
}


# ---- what undoes something else


def _shadowed(tree: Tree) -> Iterator[str]:
    """A later ``<Location />`` that sets what Locations before it set: it comes last, and wins everywhere."""
    hosts = [node for node in tree if node.name.lower() == "virtualhost"]
    for level in (tree, *(host.children or () for host in hosts)):
        before: dict[str, Node] = {}
        for node in level:
            if node.name.lower() != "location" or node.children is None or len(node.args) != 1:
                continue
            if node.args[0] == "/":
                for child in node.children:
                    other = before.get(child.name.lower())
                    if other is not None:
                        yield (
                            f"<Location /> sets {child.name} for all addresses, and so undoes what <Location "
                            f"{other.args[0]}> (line {other.line}) says of it, for later sections win: put <Location "
                            f"/> before the others (line {node.line} of {node.file})"
                        )
                        break
                continue
            before.update((child.name.lower(), node) for child in node.children if child.name.lower() in _ONE_VALUE)


#: Of these the last one counts alone, in lower case.
_ONE_VALUE = ("sethandler", "pythonhandler", "pythoninterpreter", "proxypass")


def _not_encrypted(configuration: Configuration) -> Iterator[str]:
    """``Listen ... https`` where no server speaks TLS."""
    listens = [listen for listen in configuration.main.own_conf[core.LISTEN] if listen.protocol == "https"]
    if listens and not any(profiles.is_on(configuration, one) for one in (configuration.main, *configuration.hosts)):
        yield (
            f"Listen {listens[0].port} https: no server speaks HTTPS, for none has SSLEngine: add SSLEngine On, and "
            "SSLCertificateFile"
        )


def _plain(configuration: Configuration) -> Iterator[str]:
    """A certificate in a host that speaks no TLS, and does not say that it shall not."""
    for host in configuration.hosts:
        if not host.own_conf[ssl.CERTIFICATE_FILES] or host.conf[ssl.ENGINE] is not None:
            continue
        if not profiles.is_on(configuration, host):
            yield (
                f"SSLCertificateFile in a host without SSLEngine, which therefore speaks HTTP, and no HTTPS: add "
                f"SSLEngine On (line {host.defn_line} of {host.defn_name})"
            )


def _unclaimed(tree: Tree) -> Iterator[str]:
    """PythonHandler in a Location without SetHandler: its requests mean no file, so no Directory can say it."""
    hosts = [node.children or () for node in tree if node.name.lower() == "virtualhost"]
    outer = [node for node in tree if node.name.lower() != "virtualhost"]
    for level, around in ((outer, ()), *((host, outer) for host in hosts)):
        nodes = [*around, *level]
        if any(node.name.lower() in _HANDLERS for node in nodes):
            continue
        locations = [node for node in nodes if node.name.lower() in ("location", "locationmatch", "if")]
        claimed = [
            node for node in locations if any(one.name.lower() in _HANDLERS for one in _all(node.children or ()))
        ]
        for node in level:
            if node.name.lower() != "location" or len(node.args) != 1 or node.children is None:
                continue
            path = node.args[0]
            if any(one.name.lower() == "pythonhandler" for one in node.children) and not any(
                len(other.args) != 1 or other.name.lower() != "location" or _SIGNS.intersection(other.args[0])
                or path.startswith(other.args[0])
                for other in claimed
            ):  # fmt: skip
                yield (
                    f"<Location {path}> has PythonHandler and no SetHandler: its requests mean no file, so what a "
                    f"<Directory> sets does not count, and the answer is 404: add SetHandler mod_python (line "
                    f"{node.line} of {node.file})"
                )


#: What redirects, in lower case; where to is its last word.
_REDIRECTS = ("redirect", "redirectpermanent", "redirecttemp")


def _round(configuration: Configuration) -> Iterator[str]:
    """A Redirect of all to HTTPS outside of hosts: it holds in the host that it leads to, too (as in httpd)."""
    for node in configuration.tree:
        if node.name.lower() not in _REDIRECTS or len(node.args) < 2 or node.args[-2] != "/":
            continue
        scheme, _, rest = node.args[-1].partition("://")
        name = normal_host(rest.partition("/")[0])
        for host in configuration.hosts:
            names = map(str.lower, (host.name, *host.names))
            if scheme.lower() == "https" and name in names and profiles.is_on(configuration, host):
                yield (
                    f"{node.name} / {node.args[-1]} holds in the host that it leads to ({host.defn_name} line "
                    f"{host.defn_line}), too, and so leads round in a circle: put it into a <VirtualHost *:80> (line "
                    f"{node.line} of {node.file})"
                )


def _shown(configuration: Configuration) -> Iterator[str]:
    """``PythonDebug On`` where others than this machine reach the server: it is for those who develop."""
    open_ones = [
        listen for listen in configuration.main.own_conf[core.LISTEN] if not listen.file and not _is_here(listen)
    ]
    if not open_ones:
        return
    where = open_ones[0].name or f"port {open_ones[0].port}"
    for node in _all(configuration.tree):
        if node.name.lower() == "pythondebug" and node.args[:1] and node.args[0].lower() == "on":
            yield (
                f"PythonDebug On shows source code and variables to everybody who reaches {where} of this machine: "
                f"switch it off, or Listen at 127.0.0.1 (line {node.line} of {node.file})"
            )
            return


def _is_here(listen: core.Listen) -> bool:
    """Whether only this machine reaches an address."""
    host = listen.host or ""
    return host.lower() == "localhost" or networks.within(networks.packed(host.strip("[]")), networks.LOCAL)
