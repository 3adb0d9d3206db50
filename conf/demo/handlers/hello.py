"""A handler: it gets the request and answers it."""

import html
import json
import os
import time

from layout import page

from mod_python import apache

started = time.time()
served = 0


def handler(req):
    global served
    served += 1
    if req.args == "facts":  # what /side.html asks for
        req.content_type = "application/json"
        req.write(json.dumps({"started": started, "served": served, "process": os.getpid()}))
        return apache.OK
    greeting = req.get_options().get("hello.greeting", "Hi")
    text = (
        f"{greeting}, {req.useragent_ip}!\n\n"
        f"You asked for {req.unparsed_uri} of {req.hostname}.\n"
        f"This is the interpreter {apache.interpreter!r}: it lives since {time.time() - started:.0f} s"
        f" and has answered {served} time{'s' if served > 1 else ''} here.\n"
    )
    if "text/html" in req.headers_in.get("Accept", ""):  # a browser
        req.content_type = "text/html; charset=utf-8"
        req.write(page("A handler", f"<pre>{html.escape(text)}</pre>"))
    else:
        req.content_type = "text/plain; charset=utf-8"
        req.write(text)
    return apache.OK
