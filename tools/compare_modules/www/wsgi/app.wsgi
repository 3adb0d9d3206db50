"""Tells what an application is told."""

TOLD = (
    "REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_LENGTH", "CONTENT_TYPE", "REMOTE_USER",
    "HTTP_AUTHORIZATION", "HTTP_X_A", "COLOR", "wsgi.url_scheme", "wsgi.version", "wsgi.multithread", "wsgi.run_once",
    "mod_wsgi.callable_object", "mod_wsgi.process_group", "mod_wsgi.application_group",
)  # fmt: skip


def application(environ, start_response):
    """What it is asked, or what the path says."""
    name = environ["PATH_INFO"].rpartition("/")[2]
    if name == "error":
        start_response("404 Nowhere", [("Content-Type", "text/plain"), ("X-A", "1")])
        return [b"not here"]
    if name == "cookies":
        start_response("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Type", "text/plain")])
        return [b"one, ", b"two"]
    if name == "empty":
        start_response("204 No Content", [])
        return []
    if name == "written":
        write = start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "11")])
        write(b"written, ")
        return [b"ok"]
    if name == "fails":
        raise ValueError("it fails")
    body = environ["wsgi.input"].read()
    lines = [f"{key}={environ[key]}" for key in TOLD if key in environ]
    text = "\n".join([*lines, repr(body), ""]).encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]


def other(environ, start_response):
    """Another one of the same script."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the other one"]
