"""A WSGI application that tells what it was given, and one that is no callable."""

nothing = None


def application(environ, start_response):
    names = environ.get("HTTP_X_NAMES", "").split()
    start_response("200 OK", [("Content-Type", "text/plain")])
    found = {name: environ.get(name) for name in names}
    found["wsgi.input"] = str(type(environ["wsgi.input"]))
    return [ascii(found).encode()]
