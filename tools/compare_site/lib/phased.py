"""Runs the code that a request brings along for each phase: the header X-<phase> has it."""

import os
from urllib.parse import unquote

from mod_python import apache, util

import probe

#: What a phase without code gives.
USUAL = {"PythonTransHandler": apache.DECLINED, "PythonTypeHandler": apache.DECLINED, "PythonHandler": apache.DECLINED}


def run(req):
    phase = req.phase
    code = req.headers_in.get("X-" + phase)
    if code is None:
        return USUAL.get(phase, apache.OK)
    scope = {"req": req, "apache": apache, "util": util, "os": os, "show": probe.show, "failure": probe.failure,
             "result": USUAL.get(phase, apache.OK), "trace": lambda *values: probe.trace(req, phase + probe.show(values))}
    compiled = compile(unquote(code), "<code>", "exec")
    try:
        exec(compiled, scope)
    except apache.SERVER_RETURN as raised:
        probe.KEPT.append((compiled, raised.args, *raised.args))
        raise
    except Exception as error:
        if "pass_on" in scope:
            raise
        probe.trace(req, phase + " " + probe.failure(error))
    probe.KEPT.append((compiled, scope["result"]))
    return scope["result"]
