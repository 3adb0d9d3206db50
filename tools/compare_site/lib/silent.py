"""A module for PythonHandlerModule: some phases have a function, the others don't."""

from mod_python import apache

import probe


def fixuphandler(req):
    probe.trace(req, "silent fixup")
    return apache.OK


def handler(req):
    req.content_type = "text/plain"
    req.write("silent handler, %s" % req.hlist.silent)
    return apache.OK


def loghandler(req):
    probe.trace(req, "silent log")
    return apache.OK
