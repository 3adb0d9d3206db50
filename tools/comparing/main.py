"""Sends the same requests to both servers and lists where their answers differ."""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path

from comparing import applications, behind, certificates, filters, httpd, libraries, moves, probes, rules, servers
from comparing.cases import Case, marked
from comparing.client import Exchange, Response, send
from comparing.deliberate import DELIBERATE
from comparing.deliberate_applications import OF_APPLICATIONS
from comparing.deliberate_exactly import Exactly
from comparing.deliberate_filters import DELIBERATE as OF_FILTERS
from comparing.deliberate_httpd import OF_HTTPD
from comparing.servers import Peer

#: Headers that tell nothing: the time, and the server's own name.
IGNORED = frozenset({"date", "server"})

WORDS = "the same exception with a text of its own"
CRASH = "the published one ends its process with a segmentation fault"
#: The published mod_python crashes now and then: so often a request is sent to it until it is answered. This server has
#: one: what it leaves without an answer is its answer.
ATTEMPTS = {"apache": 5, "mpserver": 1}
#: What tells the trace of an attempt from those of other cases.
ATTEMPT = 100_000

DATE = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
CANNED = re.compile(r"<!DOCTYPE HTML.*?<title>(.*?)</title>.*?<h1>(.*?)</h1>", re.DOTALL)
#: A listing: what comes behind its heading.
LISTING = re.compile(r"<title>(Index of [^<]*)</title>.*?</h1>(.*)", re.DOTALL)
#: What of a page is no text, and where its links lead to.
TAG, LINK = re.compile(r"<(style|svg)\b.*?</\1>|<!--.*?-->|<[^>]*>", re.DOTALL), re.compile(r'<a\s[^>]*?href="([^"]*)"')
#: The number of a case, in what tells of a request.
NUMBER = re.compile(r"('HTTP_X_CASE', '|X-Case: )\d+")
#: When a cookie ends, which depends on when it was asked for.
COOKIE_DATE = re.compile(r"(expires=)[^;|]*", re.IGNORECASE)
TRACEBACK = re.compile(
    r"(Traceback \(most recent call last\):).*\n(?=\S+(?:Error|Exit|Exception|Interrupt))", re.DOTALL
)


Answers = list[dict[str, str]]


def title(case: Case) -> str:
    """How a case is told of."""
    return f"{case.group}: {case.name}"


def parse_date(text: str) -> float | None:
    """Seconds since the epoch, of a date as headers have it."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def all_cases() -> list[Case]:
    """Every comparison."""
    return [
        *probes.cases(),
        *rules.cases(),
        *filters.cases(),
        *libraries.cases(),
        *moves.cases(),
        *applications.cases(),
    ]


def normal(text: str, peer: Peer) -> str:
    """A text without what may differ: folders, ports, addresses of objects, times of today, frames of tracebacks."""
    text = text.replace(peer.inside, "ROOT").replace(str(peer.port), "PORT")
    for name, number in peer.behind.items():
        text = text.replace(str(number), name)
    text = re.sub(r"0x[0-9a-f]{6,}", "0x", text)
    text = re.sub(r"('REMOTE_PORT', '|boundary=|--)(?:[0-9a-f]{16,}|\d+)", r"\1N", text)
    text = re.sub(r"(mpserver|Apache)/[^']*Python/[\d.]*", "SOFTWARE", text)
    text = NUMBER.sub(r"\1N", text)
    text = re.sub(r'\b(nonce=")[^"]*', r"\1N", text)
    text = re.sub(r"('PATH', ')[^']*", r"\1PATHS", text)
    return TRACEBACK.sub(r"\1 ... ", text)


def facts(exchange: Exchange, peer: Peer) -> dict[str, str]:
    """What is compared of an answer, by name."""
    found = {"end": exchange.end, "responses": str(len(exchange.responses))}
    if exchange.rest:
        found["rest"] = normal(exchange.rest.decode("latin-1"), peer)
    for index, response in enumerate(exchange.responses):
        prefix = f"{index + 1}: " if index else ""
        found[prefix + "status"] = response.status
        found[prefix + "framing"] = response.framing
        for name in {name for name, _ in response.headers} - IGNORED:
            values = " | ".join(value for key, value in response.headers if key == name)
            if name == "allow":
                values = ",".join(sorted(values.split(",")))
            if name == "set-cookie":
                values = COOKIE_DATE.sub(r"\1DATE", values)
            now = name == "expires" or abs(time.time() - (parse_date(values) or 0.0)) < 3600
            found[prefix + name] = normal(DATE.sub("DATE", values) if now else values, peer)
        found[prefix + "body"] = shown_body(response, peer)
        if found[prefix + "body"].startswith(("a page: ", "a listing: ")):
            found.pop(prefix + "content-length", None)
    return found


def shown_body(response: Response, peer: Peer) -> str:
    """The body; of a server's own page only title and heading, for each has words of its own.

    Of a listing of a directory its links in their order, and its text without what makes it look so.
    """
    text = normal(response.body.decode("utf-8", "backslashreplace"), peer)
    listing = LISTING.search(text)
    if listing is not None:
        words = " ".join(html.unescape(TAG.sub(" ", listing[2])).split())
        return f"a listing: {listing[1]} / {' '.join(LINK.findall(listing[2]))} / {words}"
    canned = CANNED.search(text)
    return (
        f"{text[: canned.start()]}a page: {canned[1]} / {canned[2]}{text[text.rfind('</html>') + 7 :].strip()}"
        if canned
        else text
    )


def traces(peer: Peer) -> dict[int, str]:
    """What the handlers wrote down, by case."""
    found: dict[int, list[str]] = {}
    for line in peer.trace().splitlines():
        number, _, text = line.partition("|")
        if number.isdigit():
            found.setdefault(int(number), []).append(normal(text, peer))
    return {number: "\n".join(lines) for number, lines in found.items()}


def ask(peer: Peer, cases: list[Case], clients: Mapping[str, ssl.SSLContext]) -> Answers:
    """Send all requests, one after another; ``clients`` speak TLS, by whose certificate they have."""
    answers, kept = [], {}
    for number, case in enumerate(cases):
        for attempt in range(ATTEMPTS[peer.name]):
            if attempt:
                time.sleep(0.5)  # its process crashed: another one is on its way
            kept[number] = number + attempt * ATTEMPT
            port = peer.behind[case.port] if case.port else peer.port
            tls = None if case.tls is None else (clients[case.tls[1]], case.tls[0])
            exchange = send(port, marked(case.data, kept[number]), case.heads, tls)
            if exchange.responses or exchange.end == "refused by TLS":
                break
        answers.append(facts(exchange, peer))
    before = ""
    while (now := peer.trace()) != before:
        before = now
        time.sleep(0.3)  # handlers of the last requests may still be writing
    written = traces(peer)
    for number, mark in kept.items():
        if mark in written:
            answers[number]["trace"] = written[mark]
    return answers


def differences(ours: dict[str, str], theirs: dict[str, str]) -> Iterator[tuple[str, str | None, str | None]]:
    """What differs: its name, ours, theirs."""
    for name in [*theirs, *(name for name in ours if name not in theirs)]:
        if ours.get(name) != theirs.get(name):
            yield name, ours.get(name), theirs.get(name)


def reason(case: Case, found: list[tuple[str, str | None, str | None]]) -> str | None:
    """Why a difference is deliberate, if it is."""
    for pattern, exactly, why in OF_HTTPD:
        if re.search(pattern, title(case), re.DOTALL) and all(is_meant(exactly, *one) for one in found):
            return why
    names = {name for name, _, _ in found}
    for pattern, aspects, why in (*OF_FILTERS, *OF_APPLICATIONS, *DELIBERATE):
        if re.search(pattern, title(case), re.DOTALL) and (not aspects or names <= set(aspects.split())):
            return str(why)
    return None


def is_meant(exactly: Exactly, name: str, ours: str | None, theirs: str | None) -> bool:
    """Whether an exception names a difference as it is."""
    patterns = exactly.get(name)
    return patterns is not None and all(map(re.fullmatch, patterns, (ours or "", theirs or "")))


def same_error(found: list[tuple[str, str | None, str | None]]) -> bool:
    """Whether only the words of an exception differ, not its class."""
    if [name for name, _, _ in found] != ["body"]:
        return False
    kinds = {(text or "").partition(": ")[0] for _, *texts in found for text in texts}
    return len(kinds) == 1 and kinds.pop().endswith("Error")


def read(file: Path, cases: list[Case]) -> Answers:
    """Saved answers; SystemExit where a case is missing."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    known = dict(lines)
    missing = [case for case in cases if title(case) not in known]
    if missing:
        raise SystemExit(f"{file} knows nothing of {title(missing[0])}: save the peer's answers anew")
    # (the numbers of the cases were other ones)
    return [{name: NUMBER.sub(r"\1N", text) for name, text in known[title(case)].items()} for case in cases]


def write(file: Path, cases: list[Case], answers: Answers) -> None:
    """Save answers, one case in a line."""
    pairs = zip(cases, answers, strict=True)
    file.write_text("".join(json.dumps([title(case), answer]) + "\n" for case, answer in pairs))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tools/compare", description=__doc__)
    parser.add_argument(
        "--apache",
        default=os.environ.get("COMPARE_APACHE", "apache2 -DFOREGROUND -f {conf}"),
        help="command that starts Apache in the foreground with a configuration, {conf} [$COMPARE_APACHE]",
    )
    parser.add_argument(
        "--folder",
        default=os.environ.get("COMPARE_FOLDER", "/tmp/mpserver-compare"),  # noqa: S108 - a default that can be named otherwise
        help="folder for Apache's copy of the site; it is emptied [$COMPARE_FOLDER]",
    )
    parser.add_argument(
        "--inside",
        default=os.environ.get("COMPARE_INSIDE"),
        help="the same folder as Apache sees it, where that differs: in a container [$COMPARE_INSIDE]",
    )
    parser.add_argument(
        "--modules",
        default=os.environ.get("COMPARE_MODULES", "/usr/lib/apache2/modules"),
        help="folder of Apache's modules [$COMPARE_MODULES]",
    )
    parser.add_argument(
        "--user",
        default=os.environ.get("COMPARE_USER", "www-data"),
        help="User of Apache when started by root",
    )
    parser.add_argument(
        "--group",
        default=os.environ.get("COMPARE_GROUP", "www-data"),
        help="Group of Apache when started by root",
    )
    parser.add_argument("--httpd", action="store_true", help="httpd's own modules, in place of mod_python's")
    parser.add_argument("--python", default=sys.executable, help="Python that runs mpserver")
    parser.add_argument("--backend", default="auto", help="kind of interpreter for mpserver")
    parser.add_argument("--only", default="", help="regular expression: only cases whose group: name matches it")
    parser.add_argument("--deliberate", action="store_true", help="show the deliberate differences in full, too")
    parser.add_argument("--save", type=Path, help="write the peer's answers to a file")
    parser.add_argument("--saved", type=Path, help="compare with the answers of such a file, without the peer")
    parser.add_argument("--ours", action="store_true", help="ask mpserver alone, and show its answers")
    return parser.parse_args()


def main() -> int:
    """Compare; 1 if something differs that is not deliberate."""
    options = arguments()
    if not options.httpd:
        return compare(options, servers.APPLICATIONS)
    made = certificates.make()
    if made is None:
        print("There is no openssl: nothing is compared over TLS.")
        with behind.servers({}) as ports:
            return compare(options, httpd.ground(ports, {}))
    with behind.servers(made.behind) as ports:
        return compare(options, httpd.ground(ports, made.files), made.clients)


def compare(
    options: argparse.Namespace, ground: servers.Ground, clients: Mapping[str, ssl.SSLContext] | None = None
) -> int:
    """Compare what both say of a ground; ``clients`` speak TLS, by whose certificate they have."""
    every = httpd.cases(with_tls=clients is not None) if options.httpd else all_cases()
    cases = [case for case in every if re.search(options.only, title(case))]
    clients = clients or {}
    with servers.mpserver(options.python, options.backend, ground) as peer:
        ours = ask(peer, cases, clients)
        if options.ours:
            for case, answer in zip(cases, ours, strict=True):
                print(title(case), *(f"    {name}: {text}" for name, text in answer.items()), sep="\n")
            return 0
    if options.saved is not None:
        theirs = read(options.saved, cases)
    else:
        folder = Path(options.folder)
        inside = options.inside or str(folder)
        with servers.apache(
            options.apache, folder, inside, options.modules, options.user, options.group, ground
        ) as peer:
            theirs = ask(peer, cases, clients)
    if options.save is not None:
        write(options.save, cases, theirs)
    return report(cases, ours, theirs, show_deliberate=options.deliberate)


def report(cases: list[Case], ours: Answers, theirs: Answers, *, show_deliberate: bool) -> int:
    """Print what differs. :returns: 1 if something is not deliberate."""
    deliberate: dict[str, list[str]] = {}
    bad = 0
    for case, mine, other in zip(cases, ours, theirs, strict=True):
        found = list(differences(mine, other))
        if not found:
            continue
        why = reason(case, found)
        if why is None and other["responses"] == "0" and not case.port:
            why = CRASH
        if why is None and same_error(found):
            why = WORDS
        if why is not None:
            deliberate.setdefault(why, []).append(title(case))
            if not show_deliberate:
                continue
        else:
            bad += 1
        print(f"{'' if why is None else '(deliberate) '}{title(case)}")
        for name, left, right in found:
            print(f"    {name}\n        ours:   {left!r}\n        theirs: {right!r}")
    if deliberate:
        print("\nDeliberate differences:")
        for why, names in deliberate.items():
            print(f"  {len(names):4} {why}\n       e.g. {names[0]}")
    same = len(cases) - bad - sum(map(len, deliberate.values()))
    print(f"\n{len(cases)} comparisons: {same} equal, {sum(map(len, deliberate.values()))} deliberate, {bad} different")
    return 1 if bad else 0
