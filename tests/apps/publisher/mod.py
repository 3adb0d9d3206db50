"""One object of each kind."""

import types
import os
import sys

from mod_python import apache

s = "text"
html = "<html>x</html>\n \n"
i = 5
n = None
lst = [1, 2]
d = {"k": "v", "_u": 1}
b = b"bytes"
e = ""
z = 0
builtin = len
bound_builtin = [].append


class C:
    attr = "cattr"

    def m(self, req, a="d"):
        return "m %r" % (a,)

    def __call__(self, req, a="call"):
        return "called %r" % (a,)


class Meta(type):
    pass


class WithMeta(metaclass=Meta):
    attr = "no"


class P:
    attr = "pattr"
    _u = "u"

    def __init__(self):
        self.ia = "ia"

    def m(self, req, a="d"):
        return "m %r %s" % (a, req.uri)

    def __str__(self):
        return "P-str"

    @property
    def prop(self):
        return "prop"


inst = C()
p = P()
bm = p.m


def f(req, a, b="B"):
    return "f %r %r" % (a, b)


f.x = "an attribute of a function"


def g(a="noreq"):
    return "g %r" % (a,)


def none(req):
    return None


def wrote(req):
    req.write("written")


def empty(req):
    return ""


def nested(req):
    return again


def again(req):
    return "again " + req.form.getfirst("a", "")


def endless(req):
    return endless


def a_class(req):
    return P


def an_instance(req):
    return inst


def a_module(req):
    return os


def gen(req):
    yield "a"
    yield b"\xc3\xa9"
    yield ""
    yield 1


def gen_html(req):
    yield "<!DOCTYPE html>"
    yield "<p>"


def gen_closed(req):
    try:
        yield "a"
        raise ValueError("on the way")
    finally:
        req.notes["closed"] = "1"


def a_list(req):
    return ["a", 1]


def an_iterator(req):
    return iter("ab")


def some_bytes(req):
    return b"xyz"


def page(req):
    return "  <!DOCTYPE html><html><body>hi</body></HTML>   \n"


def typed(req):
    req.content_type = "text/csv"
    return "1,2"


def own_404(req):
    req.status = 404
    return "own 404"


def gone(req):
    raise apache.SERVER_RETURN(apache.HTTP_GONE)


def form(req):
    return "%s %s" % (type(req.form).__name__, req.form.keys())


lam = lambda req: "lam"
frame = sys._getframe()
a_generator = (character for character in "xyz")


def views(which):
    return getattr({1: "a", 2: "b"}, which)()


def mapped():
    return map(lambda number: number * 2, (1, 2))


class Words:
    def __iter__(self):
        yield "one"
        yield b"two"


class Texts(Words):
    def __str__(self):
        return "its text"


own_iterable = Words()
own_iterable_with_text = Texts()
a_set = {1}
a_range = range(3)


def number(value):
    return int(value)


class Boxed:
    attr = "of a class"

    __class_getitem__ = classmethod(types.GenericAlias)


class Names(types.SimpleNamespace):
    pass


alias = Boxed[int]
space = types.SimpleNamespace(inner="in a space")
names = Names(inner="in names")
