"""Extension modules that an isolated subinterpreter refuses, also where whoever imports them catches that.

Many libraries do without their C code, and have the same in Python (`TWINS`). Where there is no such twin, an
application that goes on has lost something.
"""

from __future__ import annotations

import sys
from _frozen_importlib import BuiltinImporter
from _frozen_importlib_external import ExtensionFileLoader
from collections.abc import Callable

from mpserver.modules.python.application_errors import refusing
from mpserver.typing import Any

#: By a module's name, or what it begins with (with a dot at its end): what takes its place, if that was loaded. After
#: a dot at its end comes the last part of the refused module's name.
#: Some only make faster what the library has (orjson), or offer one more coding (brotli): who catches their refusal
#: goes on with what the library has, and whoever asks has the same answer.
TWINS = {
    "AccessControl.cAccessControl": "AccessControl.ImplPython",
    "_brotli": "zlib",
    "_cbor2": "cbor2._decoder",
    "_decimal": "_pydecimal",
    "_mysql_connector": "mysql.connector.connection",
    "_ruamel_yaml": "ruamel.yaml.loader",
    "_zoneinfo": "zoneinfo._zoneinfo",
    "aiohttp._http_parser": "aiohttp.http_parser",
    "aiohttp._http_writer": "aiohttp.http_writer",
    "aiohttp._websocket.mask": "aiohttp._websocket.helpers",
    "aiohttp._websocket.reader_c": "aiohttp._websocket.reader_py",
    "brotlicffi._brotlicffi": "zlib",
    "bson._cbson": "bson",
    "coverage.tracer": "coverage.pytracer",
    "cytoolz.itertoolz": "toolz",
    "fastavro._logical_readers": "fastavro._logical_readers_py",
    "fastavro._logical_writers": "fastavro._logical_writers_py",
    "fastavro._read": "fastavro._read_py",
    "fastavro._schema": "fastavro._schema_py",
    "fastavro._validation": "fastavro._validation_py",
    "fastavro._write": "fastavro._write_py",
    "frozenlist._frozenlist": "frozenlist",
    "google._upb._message": "google.protobuf.internal.python_message",
    "google.protobuf.pyext._message": "google.protobuf.internal.python_message",
    "greenlet._greenlet": "sqlalchemy.util.concurrency",
    "hiredis.hiredis": "redis._parsers",
    "httptools.parser.parser": "h11",
    "lazy_object_proxy.cext": "lazy_object_proxy.slots",
    "markupsafe._speedups": "markupsafe._native",
    "mercurial.cext.": "mercurial.pure.",
    "msgpack._cmsgpack": "msgpack.fallback",
    "multidict._multidict": "multidict._multidict_py",
    "orjson.orjson": "json",
    "persistent._ring": "persistent.ring",
    "persistent._timestamp": "persistent.timestamp",
    "persistent.cPersistence": "persistent.persistence",
    "persistent.cPickleCache": "persistent.picklecache",
    "propcache._helpers_c": "propcache._helpers_py",
    "psycopg_binary.": "psycopg.pq.pq_ctypes",
    "psycopg_c.": "psycopg.pq.pq_ctypes",
    "pvectorc": "pyrsistent._pvector",
    "pymongo._cmessage": "pymongo.message",
    "rapidfuzz._feature_detector_cpp": "rapidfuzz._feature_detector",
    "rapidfuzz.distance._initialize_cpp": "rapidfuzz.distance._initialize_py",
    "rapidfuzz.distance.metrics_cpp": "rapidfuzz.distance.Indel_py",
    "rapidfuzz.fuzz_cpp": "rapidfuzz.fuzz_py",
    "rapidfuzz.process_cpp_impl": "rapidfuzz.process_py",
    "rapidfuzz.utils_cpp": "rapidfuzz.utils_py",
    "rapidjson": "json",
    "simplejson._speedups": "simplejson.encoder",
    "sqlalchemy.cyextension.collections": "sqlalchemy.util._py_collections",
    "sqlalchemy.cyextension.immutabledict": "sqlalchemy.util._py_collections",
    "sqlalchemy.cyextension.processors": "sqlalchemy.engine._py_processors",
    "sqlalchemy.cyextension.resultproxy": "sqlalchemy.engine._py_row",
    "sqlalchemy.cyextension.util": "sqlalchemy.engine._py_util",
    "tomli": "tomllib",
    "tornado.speedups": "tornado.util",
    "ujson": "json",
    "uvloop.loop": "asyncio",
    "websockets.speedups": "websockets.utils",
    "wrapt._wrappers": "wrapt.wrappers",
    "yaml._yaml": "yaml.loader",
    "yarl._quoting_c": "yarl._quoting_py",
    "zope.container._zope_container_contained": "zope.container.contained",
    "zope.i18nmessageid._zope_i18nmessageid_message": "zope.i18nmessageid.message",
    "zope.interface._zope_interface_coptimizations": "zope.interface.interface",
    "zope.proxy._zope_proxy_proxy": "zope.proxy",
    "zope.security._proxy": "zope.security.proxy",
    "zope.security._zope_security_checker": "zope.security.checker",
    "zstandard.backend_c": "zlib",
}


#: Modules that Python's library asks for, and does without where they are refused: no application is meant by that.
#: (``traceback`` looks for what a misspelled name may mean, faster with it.)
DISPENSABLE = frozenset({"_suggestions"})


def twin(name: str) -> str:
    """The module that was loaded in the place of a refused one; "": none was."""
    package, _, last = name.rpartition(".")
    found = TWINS.get(name) or TWINS.get(package + ".") or ""
    if found.endswith("."):
        found += last
    return found if sys.modules.get(found) is not None else ""


def watch(note: Callable[[str], None]) -> None:
    """Have each refusal noted, by the module's full name, before anybody can catch it."""
    for kind, wrap in ((ExtensionFileLoader, _itself), (BuiltinImporter, staticmethod)):
        for name in ("create_module", "exec_module"):
            setattr(kind, name, wrap(_watched(getattr(kind, name), note)))


def _itself(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _watched(load: Callable[..., Any], note: Callable[[str], None]) -> Callable[..., Any]:
    """A step of loading an extension module; its last argument is the module, or what tells how to load it."""

    def watched(*arguments: Any) -> Any:
        try:
            return load(*arguments)
        except ImportError as error:
            spec = getattr(arguments[-1], "__spec__", None) or arguments[-1]
            if spec.name not in DISPENSABLE and refusing(error) is not None:
                if error.name is None:
                    error.name = spec.name
                note(error.name)
            raise

    return watched
