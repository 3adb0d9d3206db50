"""``mpserver import-unit``: a configuration for this server, made of one of NGINX Unit (its JSON)."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence

from mpserver.cli.unit_routes import Untaken, condition, forwarded_scheme, peers, served, share, text
from mpserver.http1.fields import is_token
from mpserver.typing import Any, NamedTuple

#: How deep routes may lead to routes.
DEEPEST = 8

#: Limits of Unit where a configuration says nothing: bytes, and seconds.
BODY, IDLE, READ, SEND = 8 << 20, 180, 30, 30

#: Variables of its access log, and what they are here.
LOGGED: Mapping[str, str] = {
    "$remote_addr": "%a", "[$time_local]": "%t", "$time_local": "%{%d/%b/%Y:%H:%M:%S %z}t", "$request_line": "%r",
    "$status": "%>s", "$body_bytes_sent": "%B", "$header_referer": "%{Referer}i",
    "$header_user_agent": "%{User-Agent}i", "$method": "%m", "$request_uri": "%U%q", "$uri": "%U", "$host": "%{Host}i",
    "$request_time": "%{ms}T", "$request_id": "%L",
}  # fmt: skip

#: What of an application is taken (see `_application`), and why other things are not.
_TAKEN = frozenset({
    "type", "path", "module", "callable", "home", "processes", "threads", "user", "environment", "prefix", "targets",
    "limits", "protocol", "factory",
})  # fmt: skip
_REMEDIES: Mapping[str, str] = {
    "working_directory": "applications run in /: give them absolute paths",
    "group": "PythonInterpUser takes the groups of the account",
    "stderr": "what is printed goes to ErrorLog",
    "stdout": "what is printed goes to ErrorLog",
    "isolation": "let a container or systemd isolate the server",
    "thread_stack_size": "ThreadStackSize, for all of the server",
}


class Branch(NamedTuple):
    """A step of the routes with its condition, and what it comes to: a file for rules, and lines of a section."""

    condition: str
    file: str
    lines: list[str]


class Importer:
    """One configuration. What has no counterpart is left in ``notes``, each with its place and what to do."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._folders: dict[str, str] = {}
        self.notes: list[str] = []

    def text(self) -> str:
        """The configuration."""
        listeners: Mapping[str, Any] = self._config.get("listeners", {})
        hosts: list[str] = []
        listens: list[str] = []
        for address, listener in listeners.items():
            try:
                hosts += self._host(address, listener, listens)
            except Untaken as why:
                self.notes.append(f"listeners/{address}: {why}")
        return "\n".join([*self._server(), *listens, "", *self._balancers(), *hosts, ""])

    def _note(self, place: str, why: object) -> list[str]:
        """Say that something was not taken, in the configuration, too."""
        if (note := f"{place}: {why}") not in self.notes:
            self.notes.append(note)
        return [f"# not taken: {place}: {why}"]

    # ---- the server

    def _server(self) -> Iterator[str]:
        http: Mapping[str, Any] = self._config.get("settings", {}).get("http", {})
        counts = [self._counts(application) for application in self._config.get("applications", {}).values()]
        workers = max((workers for workers, _ in counts), default=1)
        threads = max((threads for _, threads in counts), default=1)
        yield "# Made by mpserver import-unit of a configuration of NGINX Unit."
        yield "# Every worker has an interpreter for each application, so the one with the most processes counts."
        yield "ServerRoot /etc/mpserver"
        yield "PidFile /run/mpserver.pid"
        yield "ErrorLog /var/log/mpserver/error.log"
        yield "ServerName localhost"
        yield "# the account that serves, where root starts it"
        yield "User www-data"
        yield ""
        yield "MPM worker"
        yield f"StartServers {workers}"
        yield f"ServerLimit {workers}"
        yield f"ThreadLimit {max(threads, 64)}"
        yield f"ThreadsPerChild {threads}"
        yield f"MaxRequestWorkers {workers * threads}"
        yield ""
        yield f"LimitRequestBody {http.get('max_body_size', BODY)}"
        yield f"KeepAliveTimeout {http.get('idle_timeout', IDLE)}"
        head, body = http.get("header_read_timeout", READ), http.get("body_read_timeout", READ)
        yield f"RequestReadTimeout header={head} body={body}"
        yield f"Timeout {http.get('send_timeout', SEND)}"
        if http.get("server_version") is False:
            yield "ServerTokens Prod"
        for kind, names in http.get("static", {}).get("mime_types", {}).items():
            for name in names if isinstance(names, list) else [names]:
                yield f"AddType {kind} {text(name)}"
        yield from self._access_log()
        yield ""

    def _access_log(self) -> Iterator[str]:
        log = self._config.get("access_log")
        if not log:
            return
        path, form = (log, None) if isinstance(log, str) else (log["path"], log.get("format"))
        if form is None:
            yield f'CustomLog {text(path)} "%h - - %t \\"%r\\" %>s %B \\"%{{Referer}}i\\" \\"%{{User-Agent}}i\\""'
            return
        made = str(form).replace("%", "%%")
        for name, item in LOGGED.items():
            made = re.sub(re.escape(name) + r"(?!\w)", item, made)
        made = re.sub(r"\$header_(\w+)", lambda match: "%{" + match[1].replace("_", "-") + "}i", made)
        made = re.sub(r"\$cookie_(\w+)", r"%{\1}C", made)
        if "$" in made:
            yield from self._note("access_log/format", f"{form} has variables that are not known here")
            return
        yield f"CustomLog {text(path)} {text(made)}"

    @staticmethod
    def _counts(application: Mapping[str, Any]) -> tuple[int, int]:
        processes = application.get("processes", 1)
        most = processes.get("max", 1) if isinstance(processes, dict) else processes
        return int(most), int(application.get("threads", 1))

    def _balancers(self) -> Iterator[str]:
        for name, upstream in self._config.get("upstreams", {}).items():
            yield f"<Proxy balancer://{name}>"
            for server, facts in upstream.get("servers", {}).items():
                yield f"    BalancerMember http://{server} loadfactor={max(1, round(float(facts.get('weight', 1))))}"
            yield "</Proxy>"

    # ---- listeners

    def _host(self, address: str, listener: Mapping[str, Any], listens: list[str]) -> list[str]:
        if address.startswith("unix:"):
            raise Untaken("sockets in the file system have no counterpart: listen at an address of 127.0.0.0/8")
        host, _, port = address.rpartition(":")
        listens.append(f"Listen {port}" if host == "*" else f"Listen {address}")
        lines = [f"<VirtualHost {address}>"]
        inner = [*self._tls(address, listener), *self._forwarded(address, listener)]
        branches = list(self._passed(listener["pass"], "", f"listeners/{address}", 0))
        inner += self._sections(branches)
        return [*lines, *(f"    {line}".rstrip() for line in inner), "</VirtualHost>", ""]

    def _tls(self, address: str, listener: Mapping[str, Any]) -> Iterator[str]:
        tls = listener.get("tls")
        if not tls:
            return
        yield "SSLEngine On"
        names = tls.get("certificate", [])
        for name in names if isinstance(names, list) else [names]:
            path = f"/etc/mpserver/{name}.pem"
            self.notes.append(
                f"listeners/{address}/tls: Unit keeps the bundle {name} itself: put its PEM file at {path}"
            )
            yield f"SSLCertificateFile {text(path)}"

    def _forwarded(self, address: str, listener: Mapping[str, Any]) -> Iterator[str]:
        """What proxies say of their clients, which counts from those that the listener trusts, and from nobody else."""
        forwarded, former = listener.get("forwarded") or {}, listener.get("client_ip") or {}
        header, scheme = forwarded.get("client_ip") or former.get("header"), forwarded.get("protocol")
        if not header and not scheme:
            return
        place = f"listeners/{address}/{'forwarded' if forwarded else 'client_ip'}"
        sources = forwarded.get("source") or former.get("source") or []
        try:
            trusted = peers([str(source) for source in (sources if isinstance(sources, list) else [sources])])
            if not trusted:
                raise Untaken("it trusts nobody: write the addresses of the proxies")
            if not all(is_token(str(name)) for name in (header, scheme) if name):
                raise Untaken("it has no names of headers")
        except Untaken as why:
            yield from self._note(f"{place}/source", f"{why}; until then no header tells who clients are")
            return
        names = " and ".join(name for name in (header, scheme) if name)
        yield f"# Believed from these alone, as Unit does: {names}. Whoever else sends that is not a proxy of yours."
        if header:
            yield f"RemoteIPHeader {header}"
            yield f"RemoteIPInternalProxy {' '.join(trusted)}"
        if scheme:
            yield f'SetEnvIfExpr "{_quoted(forwarded_scheme(scheme, trusted))}" HTTPS=on'

    def _sections(self, branches: Sequence[Branch]) -> Iterator[str]:
        """The branches in the order of their steps: rules for files, and sections of which the first one holds."""
        folders, self._folders = self._folders, {}
        for folder, index in folders.items():
            yield f"<Directory {text(folder)}>"
            yield "    Require all granted"
            yield f"    DirectoryIndex {text(index)}"
            yield "</Directory>"
        if any(branch.file for branch in branches):
            yield "RewriteEngine On"
            for branch in branches:
                if branch.condition:
                    yield f'RewriteCond expr "{_quoted(branch.condition)}"'
                yield f"RewriteRule ^(.*)$ {text(branch.file)} [L]" if branch.file else "RewriteRule ^ - [L]"
        word, last = "If", Branch("", "", ["RedirectMatch 404 ^"])
        for branch in (*branches, last):
            if not branch.condition:
                last = branch
                break
            yield f'<{word} "{_quoted(branch.condition)}">'
            yield from (f"    {line}" for line in branch.lines)
            yield f"</{word}>"
            word = "ElseIf"
        # (what holds for all requests is a section of its own kind)
        begin, end = ("<Location />", "</Location>") if word == "If" else ("<Else>", "</Else>")
        yield from (begin, *(f"    {line}" for line in last.lines), end)

    # ---- routes

    def _passed(self, target: str, around: str, place: str, depth: int) -> Iterator[Branch]:
        """What ``pass`` leads to, under a condition around it."""
        kind, _, name = target.partition("/")
        if kind == "routes":
            routes = self._config.get("routes", [])
            steps = routes if isinstance(routes, list) else routes.get(name, [])
            if depth > DEEPEST:
                raise Untaken("its routes lead round in a circle")
            where = f"routes/{name}".rstrip("/")
            for number, step in enumerate(steps):
                yield from self._step(step, around, f"{where}/{number}", depth + 1)
            if around:
                yield Branch(around, "", ["RedirectMatch 404 ^"])
            return
        yield Branch(around, "", list(self._target(kind, name, place)))

    def _step(self, step: Mapping[str, Any], around: str, place: str, depth: int) -> Iterator[Branch]:
        try:
            own = condition(step.get("match", {}))
            for action, there in served(step):
                its = " && ".join(part for part in (around, own, there) if part)
                yield from self._action(action, its, place, depth)
        except Untaken as why:
            lines = self._note(place, why)
            if int(step.get("action", {}).get("return", 0)) >= 400:  # (those must not come to the steps behind it)
                yield Branch(around, "", [*lines, "RedirectMatch 503 ^"])

    def _action(self, action: Mapping[str, Any], its: str, place: str, depth: int) -> Iterator[Branch]:
        extra = list(self._headers(action.get("response_headers", {})))
        for name in ("rewrite", "chroot", "follow_symlinks", "traverse_mounts", "types"):
            if name in action:
                extra += self._note(
                    f"{place}/action/{name}", "write a RewriteRule" if name == "rewrite" else "left out"
                )
        if "pass" in action:
            found = list(self._passed(str(action["pass"]), its, place, depth))
            yield from (branch._replace(lines=[*branch.lines, *extra]) for branch in found)
        elif "share" in action:
            template = str(action["share"]).replace("${uri}", "$uri")
            share(template)
            before, uri, _after = template.partition("$uri")
            self._folders.setdefault((before.rstrip("/") if uri else os.path.dirname(template)) or "/", action["index"])
            yield Branch(its, template.replace("$uri", "$1"), extra)
        elif "proxy" in action:
            yield Branch(its, "", [f"SetHandler {text('proxy:' + str(action['proxy']))}", *extra])
        elif "return" in action:
            yield Branch(its, "", [*self._returned(action, place), *extra])
        else:
            raise Untaken("its action does nothing that is known here")

    @staticmethod
    def _headers(headers: Mapping[str, Any]) -> Iterator[str]:
        for name, value in headers.items():
            yield f"Header always unset {name}" if value is None else f"Header always set {name} {text(value)}"

    def _returned(self, action: Mapping[str, Any], place: str) -> list[str]:
        status, location = int(action["return"]), action.get("location")
        if 300 <= status < 400 and location:
            return [f"RedirectMatch {status} ^ {text(location)}"]
        if status < 400:
            return self._note(f"{place}/action/return", f"{status} without a document: let a page answer")
        return [f"RedirectMatch {status} ^"]

    # ---- what answers

    def _target(self, kind: str, name: str, place: str) -> Iterator[str]:
        if kind == "upstreams":
            yield f"SetHandler proxy:balancer://{name}"
            return
        application, _, target = name.partition("/")
        facts = self._config.get("applications", {}).get(application)
        if kind != "applications" or facts is None:
            raise Untaken(f"there is no {kind}/{name}")
        try:
            yield from self._application(application, facts, target)
        except Untaken as why:
            yield from self._note(f"applications/{application}", why)
            yield "RedirectMatch 503 ^"

    def _application(self, name: str, facts: Mapping[str, Any], target: str) -> Iterator[str]:
        kind = str(facts.get("type", "")).partition(" ")[0]
        if kind == "php":
            raise Untaken('serve it by PHP-FPM: SetHandler "proxy:unix:/run/php/php-fpm.sock|fcgi://localhost"')
        if kind != "python":
            raise Untaken(
                f"applications of the type {kind} are not served here: run a server for it, and SetHandler proxy:"
            )
        its = {**facts, **facts.get("targets", {}).get(target, {})}
        if its.get("protocol") == "asgi":
            raise Untaken("ASGI is not spoken here: run it by uvicorn or granian, and SetHandler proxy:http://...")
        for key in sorted(set(facts) - _TAKEN):
            yield from self._note(f"applications/{name}/{key}", _REMEDIES.get(key, "left out"))
        called = f"{its['module']}:{its.get('callable', 'application')}{'()' if its.get('factory') else ''}"
        yield "Require all granted"
        yield "SetHandler mod_python"
        yield "PythonHandler mod_python.wsgi"
        yield f"PythonOption mod_python.wsgi.application {text(called)}"
        if its.get("prefix"):
            yield f"PythonOption mod_python.wsgi.base_uri {text(str(its['prefix']).rstrip('/'))}"
        yield f"PythonInterpreter {text(name)}"
        paths = its.get("path", [])
        paths = paths if isinstance(paths, list) else [paths]
        if paths:
            yield f"PythonPath {text(f'{paths!r} + sys.path')}"
        if its.get("home"):
            yield f"PythonVirtualEnv {text(its['home'])}"
        if its.get("user"):
            yield f"PythonInterpUser {text(its['user'])}"
        for key, value in its.get("environment", {}).items():
            yield f"PythonInterpEnv {key} {text(value)}"
        limits = its.get("limits", {})
        if limits.get("timeout"):
            yield f"PythonRequestTimeout {limits['timeout']}"
        if limits.get("requests"):
            yield f"PythonInterpMaxRequests {limits['requests']}"


def _quoted(expression: str) -> str:
    return expression.replace("\\", "\\\\").replace('"', '\\"')


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(
        "mpserver import-unit",
        description="Print a configuration that serves what one of NGINX Unit serves: listeners, routes, applications "
        "for Python, static files, proxies. What has no counterpart is told on standard error, with what to do.",
    )
    made.add_argument(
        "file", help="the configuration as JSON, as GET /config of Unit's control socket gives it; -: standard input"
    )
    return made


def main(arguments: Sequence[str]) -> int:
    """The command. :returns: 0, or 1 where something was not taken."""
    name = parser().parse_args(arguments).file
    try:
        if name == "-":
            config = json.load(sys.stdin)
        else:
            with open(name, encoding="utf-8") as file:
                config = json.load(file)
        config = config.get("config", config)  # (what GET / gives has the certificates beside it)
        importer = Importer(config)
        made = importer.text()
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        sys.stderr.write(
            f"mpserver import-unit: {name} is no configuration of NGINX Unit: {type(error).__name__}: {error}\n"
        )
        return 1
    print(made, end="")
    for note in importer.notes:
        sys.stderr.write(f"mpserver import-unit: {note}\n")
    return 1 if importer.notes else 0
