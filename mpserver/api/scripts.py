"""Scripts: modules that are known by their files, whatever these are called (WSGIScriptAlias).

As with mod_wsgi a script is no module that others could import, and nothing is written beside it.
"""

from __future__ import annotations

import sys
from _frozen_importlib_external import SourceFileLoader  # (importlib.machinery would import warnings for it)
from types import ModuleType

from mpserver.typing import Any

#: What names of their modules begin with.
PREFIX = "_mod_wsgi_"


class ScriptLoader(SourceFileLoader):
    """Loads a script from its source alone: ``app.wsgi`` and ``app.py`` would have the same byte-code file."""

    def path_stats(self, path: Any) -> Any:
        """No byte code is looked for, or written. :raises OSError: always."""
        raise OSError(f"{path} has no byte code")


def is_script(name: str) -> bool:
    """Whether what stands for a module is a file."""
    return name[:1] == "/"


def load(path: str) -> ModuleType:
    """The module of a script. :raises Exception: whatever it raises when it is executed."""
    import hashlib  # (few interpreters have scripts)
    import importlib.util

    name = PREFIX + hashlib.md5(path.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    known = sys.modules.get(name)
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(name, path, loader=ScriptLoader(name, path))
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module
