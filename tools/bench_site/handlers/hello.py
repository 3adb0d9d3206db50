"""The smallest handlers."""

from mod_python import apache, util


def handler(req):
    """Flush with the write, as mod_python does by default."""
    req.content_type = "text/plain"
    req.write("Hello World!")
    return apache.OK


def whole(req):
    """Leave the sending to the server."""
    req.content_type = "text/plain"
    req.write("Hello World!", 0)
    return apache.OK


def headers(req):
    """Look at every header that came."""
    seen = sum(len(value) for name, value in req.headers_in.items() if name.startswith("X-"))
    req.content_type = "text/plain"
    req.write("%d bytes" % seen, 0)
    return apache.OK


def form(req):
    """Read a form."""
    fields = util.FieldStorage(req)
    req.content_type = "text/plain"
    req.write("%d fields, %d in the name" % (len(fields.list), len(fields.getfirst("name") or "")), 0)
    return apache.OK


def busy(req):
    """Compute for some milliseconds."""
    total = 0
    for number in range(100_000):
        total += number
    req.content_type = "text/plain"
    req.write("%d" % total, 0)
    return apache.OK
