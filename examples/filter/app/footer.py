"""Puts a footer into pages on their way to the client, without keeping more of them than the end of a piece."""

from __future__ import annotations

import time

from mod_python import apache

END = b"</html>"
LONGEST = 8192


def outputfilter(filter: apache.Filter) -> None:
    """Pass on what comes, and the footer before the end of the page. It is called for each piece of a response."""
    if "content-length" in filter.req.headers_out:
        del filter.req.headers_out["Content-Length"]  # (it is longer now)
    data = filter.read(LONGEST)
    while data:
        before, end, after = data.partition(END)
        filter.write(before)
        if end:
            filter.write(footer(filter.req) + end + after)
        data = filter.read(LONGEST)
    if data is None:
        filter.close()


def footer(req: apache.Request) -> bytes:
    """What is put in."""
    return f"<footer>{req.uri}, {time.strftime('%Y', time.localtime(req.request_time))}</footer>\n".encode()
