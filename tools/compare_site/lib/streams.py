"""Filters: some that always do the same, and some that run the code which the request brings along."""

from urllib.parse import unquote

from mod_python import apache

import probe


def run(filter, header):
    """Run the header's code once for each time that the filter is called, and write down what it tells."""
    req = filter.req
    code = unquote(req.headers_in.get(header) or "pipe(filter)")
    scope = {"filter": filter, "req": req, "apache": apache, "pipe": pipe, "show": probe.show, "failure": probe.failure,
             "trace": lambda *values: probe.trace(req, " ".join(map(probe.show, values)))}
    probe.KEPT.append(scope)
    exec(compile(code, "<filter>", "exec"), scope)


def pipe(filter, change=bytes.upper):
    """The manual's example."""
    data = filter.read()
    while data:
        filter.write(change(data))
        data = filter.read()
    if data is None:
        filter.close()


def first(filter):
    run(filter, "X-First")


def second(filter):
    run(filter, "X-Second")


def upper(filter):
    pipe(filter)


def star(filter):
    pipe(filter, lambda data: b"*" + data + b"*")


def dash(filter):
    pipe(filter, lambda data: b"-" + data + b"-")


def dynamic(filter):
    probe.trace(filter.req, probe.show([filter.name, filter.handler, filter.dir, filter.is_input]))
    pipe(filter, lambda data: b"<" + data + b">")


def outputfilter(filter):
    pipe(filter, lambda data: b"{" + data + b"}")


def inputfilter(filter):
    pipe(filter, lambda data: b"[" + data + b"]")


class Kind:
    """A class on the way is made with the filter."""

    def __init__(self, filter):
        self.name = filter.name

    def method(self, filter):
        pipe(filter, lambda data: self.name.encode() + data)


def silent(filter):
    pass


def fails(filter):
    raise ValueError("asked to")


def echo(req):
    """A handler that sends back the body that it reads."""
    req.content_type = "text/plain"
    req.write(probe.show(req.read()), 0)
    return apache.OK
