"""A handler: it gets the request and answers it."""

import time

from mod_python import apache

started = time.time()
served = 0


def handler(req):
    global served
    served += 1
    req.content_type = "text/plain; charset=utf-8"
    greeting = req.get_options().get("hello.greeting", "Hi")
    req.write(f"{greeting}, {req.useragent_ip}!\n\n")
    req.write(f"You asked for {req.unparsed_uri} of {req.hostname}.\n")
    req.write(f"This is the interpreter {apache.interpreter!r}: it lives since {time.time() - started:.0f} s")
    req.write(f" and has answered {served} time{'s' if served > 1 else ''} here.\n")
    return apache.OK
