"""CGI scripts inside the server: ``PythonHandler mod_python.cgihandler`` (manual 6.3; api 3.5 1.14, 3.5).

The script that the URL names is run in the interpreter, with ``sys.stdin``, ``sys.stdout`` and
``os.environ`` of its request. For everything else that runs there these stay what they are: what is
put in their place looks who asks. Programs that a script starts see nothing of all that.

One script runs at a time in an interpreter, since each has its folder as current directory.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from functools import lru_cache
from importlib.machinery import BYTECODE_SUFFIXES, SOURCE_SUFFIXES
from types import CodeType, ModuleType

from mod_python import apache
from mod_python._cgi.stage import Stage, acting, flush, fresh_modules, own_directory
from mod_python._cgi.streams import ScriptOutput, collect, stdin, stdout, variables
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


#: A script has the current directory, and the names of sys and os, to itself.
_one_script = threading.Lock()


def handler(req: Request) -> int:
    """Run the script that the request's path names.

    :returns: 404 where there is none, 500 where it gave no headers, else OK.
    :raises BaseException: what the script raises, but SystemExit.
    """
    script = find(req)
    if script is None:
        return apache.HTTP_NOT_FOUND
    sink = ScriptOutput(req)
    stage = Stage(stdin(req), stdout(sink), variables(req))
    with _one_script, own_directory(os.path.dirname(script)), fresh_modules(), acting(stage):
        try:
            run(script)
        except SystemExit as end:
            if end.code is not None and not isinstance(end.code, int):
                req.log_error(f"{script}: {end.code}")
        except BaseException:
            sink.ended = True  # or the end of the stream would send what there is as if it were all
            raise
        flush(sys.stdout)
        collect(stage.stdout)
    return sink.end(script)


# ---- which script


def find(req: Request) -> str | None:
    """The path of the script; None where there is none, or not in the folder that the URL names."""
    if req.filename is None:
        req.log_error("mod_python.cgihandler needs a file: use it in a <Directory> or with Alias, not in a <Location>")
        return None
    path = os.path.realpath(req.filename)
    if os.path.islink(req.filename) and os.path.dirname(path) != os.path.realpath(os.path.dirname(req.filename)):
        return None
    return path if path.endswith((*SOURCE_SUFFIXES, *BYTECODE_SUFFIXES)) and os.path.isfile(path) else None


def run(path: str) -> None:
    """Execute a script as the main program."""
    found = os.stat(path)
    code = _compiled(path, found.st_mtime_ns, found.st_size, found.st_ino)
    module = ModuleType("__main__")
    module.__file__ = path
    before = sys.modules.get("__main__")
    sys.modules["__main__"] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - the script is what is to run
    finally:
        if before is not None:
            sys.modules["__main__"] = before


@lru_cache(maxsize=128)
def _compiled(path: str, *_state: int) -> CodeType:
    """A script's code; the state of its file tells a changed one."""
    if path.endswith(tuple(BYTECODE_SUFFIXES)):
        from importlib.machinery import SourcelessFileLoader

        code = SourcelessFileLoader("__main__", path).get_code("__main__")
        assert code is not None
        return code
    with io.open_code(path) as file:
        return compile(file.read(), path, "exec", dont_inherit=True)
