from mod_python import apache

text = "a variable"
number = 5
nothing = None


def keys(req):
    return {1: 0}.keys()


def values(req):
    return {0: "a", 1: "b"}.values()


def generator(req):
    yield "a"
    yield 5


def listed(req):
    return ["a", 5]


def mapped(req):
    return map(str, (1, 2))


def forbidden(req):
    return apache.HTTP_FORBIDDEN


def raised(req):
    raise apache.SERVER_RETURN(apache.HTTP_FORBIDDEN)


def echo(req, what="none"):
    return ascii(what)


def everything(req, **fields):
    return ascii(sorted(fields))


def none(req):
    return None


def written(req):
    req.write("written;")
    return "returned"


def kinds(req):
    return str(type(req.form.getfirst("what")))


def index(req):
    return "the index"


class Thing:
    value = "of a class"

    def method(self, req):
        return "a method"

    def _hidden(self, req):
        return "hidden"


thing = Thing()
