"""Handlers that do what the request's X-Do header asks of them, and write down that they ran."""

from mod_python import apache

import probe

#: What a handler returns unless told otherwise.
USUAL = {
    "PythonTransHandler": apache.DECLINED,
    "PythonTypeHandler": apache.DECLINED,
}
NAMES = {"OK": apache.OK, "DECLINED": apache.DECLINED, "DONE": apache.DONE, "None": None, "True": True, "text": "x",
         "float": 1.0}


def value(word):
    result = NAMES[word] if word in NAMES else int(word)
    probe.KEPT.append((result, result))
    return result


def act(req, what):
    for step in what.split("+"):
        verb, _, rest = step.partition(":")
        if verb == "raise":
            raise ValueError("asked to")
        if verb == "return":
            raise apache.SERVER_RETURN(*[value(word) for word in rest.split(",") if word])
        if verb == "status":
            req.status = int(rest)
        elif verb == "user":
            req.user = rest or None
        elif verb == "handler":
            req.handler = rest or None
        elif verb == "type":
            req.content_type = rest
        elif verb == "uri":
            req.uri = rest
        elif verb == "file":
            req.filename = req.document_root() + rest
        elif verb == "redirect":
            if req.prev is None:
                req.internal_redirect(rest)
        elif verb == "write":
            req.write(rest)
        elif verb == "exit":
            raise SystemExit(3)
        elif verb == "header":
            name, _, text = rest.partition("~")
            req.headers_out[name] = text
        elif verb == "errheader":
            name, _, text = rest.partition("~")
            req.err_headers_out[name] = text
        elif verb == "add":
            phase, _, handler = rest.partition("~")
            req.add_handler(phase, handler)
        else:
            return value(verb)
    return USUAL.get(req.phase, apache.OK)


def play(req, slot):
    phase = req.phase
    probe.trace(req, f"{phase} {slot} user={req.user} handler={req.handler} status={req.status}")
    for item in (req.headers_in.get("X-Do") or "").split(";"):
        where, _, what = item.strip().partition("=")
        if where == f"{phase}.{slot}":
            return act(req, what)
    if phase == "PythonAuthenHandler":
        req.get_basic_auth_pw()
        req.user = "joe"
    if phase == "PythonHandler":
        req.content_type = "text/plain"
        req.write(f"{slot};")
    return USUAL.get(phase, apache.OK)


def a(req):
    return play(req, "a")


def b(req):
    return play(req, "b")


def c(req):
    return play(req, "c")


class Thing:
    def __init__(self, req):
        self.req = req

    def method(self, req):
        req.write("method %s" % (req is self.req))
        return apache.OK

    class Inner:
        def __init__(self, req):
            self.req = req

        def go(self, req):
            req.write("inner")
            return apache.OK


class Called:
    def __init__(self, req):
        self.x = 1

    def __call__(self, req):
        req.write("called")
        return apache.OK


def old(req):
    req.write("fine")
    return apache.OK


class Object:
    def method(self, req):
        req.write("of an instance")
        return apache.OK


instance = Object()
nothing = None
number = 5
