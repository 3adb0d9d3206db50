"""A WSGI application that reads all that comes, and answers with little; /big with much, /slow after 20 ms."""

import time

PIECE = b"x" * 65536
#: More than systems keep for a client that reads nothing.
PIECES = 96


def _read(environ):
    length = environ.get("CONTENT_LENGTH")
    if length:
        return len(environ["wsgi.input"].read(int(length)))
    taken = 0
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", ""):
        while piece := environ["wsgi.input"].read(65536):
            taken += len(piece)
    return taken


def application(environ, start_response):
    taken = _read(environ)
    path = environ["PATH_INFO"]
    if path.endswith("/big"):
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(PIECE) * PIECES))])
        return iter([PIECE] * PIECES)
    if path.endswith("/slow"):
        time.sleep(0.02)
    body = b"%d bytes\n" % taken
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
