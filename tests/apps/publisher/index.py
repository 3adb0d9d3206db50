"""The site's own page."""


def index(req):
    return "root index"


def hello(req, name="x"):
    return "hello %r" % (name,)


def _hidden(req):
    return "no"


def where(req):
    return "%s %s" % (req.filename.rpartition("/")[2], req.path_info)
