"""The smallest handlers."""

from mod_python import apache


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
