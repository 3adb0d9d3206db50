"""The command ``tools/raw-http``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from rawhttp.asking import ask_all, fault
from rawhttp.case import Case
from rawhttp.cases import CASES
from rawhttp.page import PAGE, page, record

#: Seconds of silence after which a server is taken to wait for more.
PATIENCE = 2


def main() -> int:
    """Ask a server, or write the page; 1 where something is not as it should be."""
    parser = argparse.ArgumentParser(
        prog="raw-http", description="Ask a server every case of docs/http.md, and tell what it makes of them."
    )
    parser.add_argument(
        "server", nargs="?", metavar="HOST:PORT", help="the server; tools/rawhttp/site tells what it is to serve"
    )
    parser.add_argument("--only", metavar="WORD", default="", help="cases with this word in their name or section")
    parser.add_argument(
        "--own", action="store_true", help="take this server's own outcomes alone, not all that sections allow"
    )
    parser.add_argument("--no-files", action="store_true", help="the server has no files")
    parser.add_argument(
        "--no-bodies", action="store_true", help="the server's answers don't hold the bodies that it got"
    )
    parser.add_argument("--record", metavar="NAME", help="keep the outcomes for the page under this name")
    parser.add_argument("--page", action="store_true", help="write docs/http.md")
    parser.add_argument("--check", action="store_true", help="tell whether docs/http.md is what --page writes")
    options = parser.parse_args()
    if options.page:
        PAGE.write_text(page())
        return 0
    if options.check:
        if PAGE.exists() and PAGE.read_text() == page():
            return 0
        print(f"{PAGE} is not what tools/raw-http --page writes")
        return 1
    if options.server is None:
        parser.error("name a server, or --page")
    host, _, port = options.server.rpartition(":")
    if not port.isdigit():
        parser.error(f"{options.server} is not HOST:PORT")
    cases = tuple(_chosen(options.only, not options.no_files))
    said: dict[str, str] = {}
    good = 0
    try:
        for case, outcome in ask_all((host.strip("[]"), int(port)), cases, PATIENCE):
            accepted = case.accepted[:1] if options.own else case.accepted
            why = fault(case, outcome, accepted, echoes=not options.no_bodies)
            name = outcome.name.partition(":")[0]
            said[case.name] = name if why is None or outcome.name not in accepted else f"{name}, but wrong"
            good += why is None
            if why is not None:
                print(f"{case.section}, {case.name}: {why}")
    except OSError as error:
        print(f"{options.server}: {error}", file=sys.stderr)
        return 2
    print(f"{good} of {len(cases)} cases as the sections allow")
    if options.record:
        record(options.record, said)
    return 0 if good == len(cases) else 1


def _chosen(word: str, files: bool) -> Iterator[Case]:
    for cases in CASES.values():
        for case in cases:
            if word in f"{case.name} {case.section}" and (files or not case.files):
                yield case
