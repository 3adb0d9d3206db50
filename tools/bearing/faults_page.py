"""Does to servers what goes wrong in the life of one, and tells what they do.

The full run takes about three minutes and writes docs/faults.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benching.measure import note

from bearing.command import DOCS, chosen, grounds, machine, parser, whole
from bearing.faults import FAULTS, Missing, Ring
from bearing.servers import GUNICORN, OWN, PREFORK

PAGE = DOCS / "faults.md"
KINDS = (OWN, PREFORK, GUNICORN)

HEAD = """\
# What goes wrong, and what comes of it

What this server, Apache and gunicorn do when something goes wrong. `tools/faults` does it to them and makes this page;
do not edit it. `docs/signals.md` says what is meant to happen here.

Under load: eight clients ask a WSGI application that takes 20 ms, without a pause, four on connections that they keep
and four on a new one each time. Failed: a request that was sent and had no whole answer with status 200. On a kept
connection that ended before a byte of the answer came, a client asks again on a new one, as browsers do; that is no
failure. mpserver and Apache (prefork, mod_wsgi) have the same configuration (`tools/bench_peers/bearing.conf`),
gunicorn 2 workers of 4 threads. The logs' full disk is `/dev/full`.
"""


def page(rows: Mapping[str, Mapping[str, str]], about: str) -> str:
    """The page."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [HEAD, about, "", f"| | {' | '.join(names)} |", "| --- " * (len(names) + 1) + "|"]
    lines += [f"| {fault} | {' | '.join(row.get(name, '') for name in names)} |" for fault, row in rows.items()]
    return "\n".join(lines) + "\n"


def main(words: Sequence[str]) -> int:
    """Do all of it, print the table, write the page. :returns: the exit status."""
    options = parser("tools/faults", __doc__ or "", KINDS).parse_args(words)
    faults = [fault for fault in FAULTS if options.only.lower() in fault.name.lower()]
    if options.list:
        print("\n".join(fault.name for fault in FAULTS))
        return 0
    rows: dict[str, dict[str, str]] = {fault.name: {} for fault in faults}
    about = machine()
    with grounds(options) as made:
        ring = Ring(made, [folder for folder in options.peers_path.split(":") if folder])
        for fault in faults:
            for kind in chosen(KINDS, options.servers):
                try:
                    rows[fault.name][kind.name] = fault.done_to(ring, kind)
                except Missing:
                    note(f"Not here: {kind.name}")
                    continue
                note(f"{fault.name}: {kind.name}: {rows[fault.name][kind.name]}")
    text = page(rows, about)
    print(f"\n{text}")
    if whole(options):
        PAGE.write_text(text)
        note(f"Written to {PAGE}")
    return 0
