"""A WSGI application: it shows what it is called with."""

import html

from layout import page, table


def application(environ, start_response):
    if environ["PATH_INFO"] not in ("", "/"):
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"There is nothing here.\n"]
    rows = [(html.escape(name), html.escape(repr(value))) for name, value in sorted(environ.items())]
    body = (
        "<p>This is <code>handlers/environ.py</code>, a WSGI application as Flask and Django make them. Below is the\n"
        f"<code>environ</code> of this request, with {len(rows)} entries.</p>\n" + table(rows)
    )
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [page("A WSGI application", body).encode("utf-8", "replace")]
