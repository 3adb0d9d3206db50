"""Runs the code that a request brings along, and answers with what it gives."""

import builtins
import os
from urllib.parse import unquote

from mod_python import apache, util

#: The published mod_python gives a handler's result up once too often: here each has a reference more.
KEPT = []
FINFO = "fname filetype valid protection user group size inode device nlink atime mtime ctime name".split()


def show(value):
    """A value's text, the same for both servers where the values are."""
    if value is None or isinstance(value, (str, bytes, int, float, bool)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        ends = "[]" if isinstance(value, list) else "()"
        return ends[0] + ", ".join(map(show, value)) + ends[1]
    if isinstance(value, dict):
        return "{" + ", ".join(f"{show(k)}: {show(v)}" for k, v in value.items()) + "}"
    if hasattr(value, "filetype"):
        return "finfo(" + " ".join(f"{n}={getattr(value, n)!r}" for n in FINFO if n not in ("inode", "device", "atime", "ctime", "user", "group")) + ")"
    if hasattr(value, "iteritems"):
        return "table" + show(list(value.items()))
    return "object"


def failure(error):
    """An exception as an application may catch it: the nearest builtin class, and its text."""
    kind = next(c for c in type(error).__mro__ if hasattr(builtins, c.__name__))
    return f"{kind.__name__}: {error}"


def trace(req, text):
    """Write a line for the case into the file that is compared, too."""
    note(req.get_options()["trace"], req.headers_in.get("X-Case"), text)


def note(path, case, text):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(fd, f"{case}|{text}\n".encode())
    os.close(fd)


def handler(req):
    code = unquote(req.headers_in["X-Code"])
    scope = {"req": req, "apache": apache, "util": util, "os": os, "trace": lambda text: trace(req, text),
             "note": note, "trace_file": req.get_options()["trace"], "case": req.headers_in.get("X-Case"),
             "show": show, "failure": failure, "result": apache.OK}
    try:
        try:
            compiled = compile(code, "<code>", "eval")
        except SyntaxError:
            compiled = compile(code, "<code>", "exec")
            exec(compiled, scope)
            text = show(scope["r"]) if "r" in scope else ""
        else:
            text = show(eval(compiled, scope))
    except apache.SERVER_RETURN as raised:
        KEPT.append((compiled, raised.args, *raised.args))
        raise
    except Exception as error:
        if "pass_on" in scope:
            raise
        text = failure(error)
    if text:
        if not req.content_type:
            req.content_type = "text/plain"
        req.write(text)
    KEPT.append((compiled, scope["result"]))
    return scope["result"]
