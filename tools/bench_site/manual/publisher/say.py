import html


def index(req):
    req.content_type = "text/plain"
    return html.escape("Hello!\n")
