import html

from mod_python import apache


def handler(req):
    req.content_type = "text/plain"
    req.write(html.escape("Hello!\n"))
    return apache.OK
