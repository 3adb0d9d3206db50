"""The core's directives about answers, files and processes that few configurations have."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import (
    EVERYWHERE,
    NOT_HTACCESS,
    SERVER_ONLY,
    SERVER_VHOST,
    Args,
    Call,
    Directive,
)
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.core import (
    ACME_TLS,
    ALLOW_ENCODED_SLASHES,
    DEFAULT_RUNTIME_DIR,
    ENABLE_SENDFILE,
    EXTENDED_STATUS,
    FILE_ETAG,
    MAX_RANGE_OVERLAPS,
    MAX_RANGE_REVERSALS,
    MAX_RANGES,
    MERGE_SLASHES,
    SERVER_SIGNATURE,
    SOURCE_PROTECTION,
    THREAD_STACK_SIZE,
    TRACE_ENABLE,
    USE_CANONICAL_PHYSICAL_PORT,
)
from mpserver.modules.core.file_etag import WORDS, FileETag

#: The protocols that httpd knows; the first is spoken here.
HTTP1 = "http/1.1"
#: What mod_md answers authorities in.
ACME = "acme-tls/1"
KNOWN = frozenset({HTTP1, "h2", "h2c", ACME})


def _file_etag(call: Call) -> None:
    known = call.conf.values.get(FILE_ETAG, FileETag(None))
    own, add, remove = None, known.add, known.remove
    for word in call.args:
        sign, name = values.signed(word.lower())
        try:
            bits = WORDS[name]
        except KeyError:
            raise ConfigError(f"FileETag {word!r} must be one of: INode, MTime, Size, Digest, All, None") from None
        if sign and not bits:
            raise ConfigError("FileETag: None can't have a sign: write None, or -INode -MTime -Size")
        if sign == "+":
            add, remove = add | bits, remove & ~bits
        elif sign == "-":
            add, remove = add & ~bits, remove | bits
        elif own == 0 or (own and not bits):
            raise ConfigError("FileETag: None stands alone")
        else:
            own, add, remove = (own or 0) | bits, 0, 0
    call.conf[FILE_ETAG] = FileETag(own, add, remove)


def _ranges(default: int) -> values.Reader[int]:
    """A reader of a number of ranges, or a word for it."""
    words = {"default": default, "none": 0, "unlimited": -1}
    number = values.number(1, remark=", or default, unlimited or none")

    def read(call: Call, word: str) -> int:
        known = words.get(word.lower())
        return number(call, word) if known is None else known

    return read


def _protocols(call: Call) -> None:
    named = [word.lower() for word in call.args]
    if HTTP1 not in named:
        raise ConfigError(f"Protocols: this server speaks {HTTP1} only, which is not among them: add {HTTP1}")
    for word in named:
        if word not in KNOWN:
            raise ConfigError(f"Protocols: there is no protocol '{word}': write {HTTP1}")
        if word == ACME:
            call.server[ACME_TLS] = True
        elif word != HTTP1:
            call.warn(f"Protocols: {word} is not spoken here, its clients are served with {HTTP1}")


def _name_virtual_host(call: Call) -> None:
    call.warn("NameVirtualHost has no effect, as in httpd since 2.4: remove the line")


def _no_digest(call: Call) -> None:
    if call.flag:
        raise ConfigError("ContentDigest On is not supported: RFC 7231 withdrew Content-MD5. Remove the line")


def _max_mem_free(call: Call) -> None:
    values.number(0, remark=" (in KiB)")(call, call.args[0])
    call.warn("MaxMemFree has no effect: memory goes back to the system when an interpreter ends")


def _stack_size(call: Call, word: str) -> int:
    size = values.number(0, 2**31 - 1, " (in bytes)")(call, word)
    if 0 < size < 32768:
        raise ConfigError(f"ThreadStackSize {size} is too small for Python: write 32768 or more, or 0 for the default")
    return size


def _load_file(call: Call) -> None:
    raise ConfigError(
        "LoadFile is not supported: nothing links with libraries here. Remove the line; what an application needs is "
        "found by its own modules"
    )


def _suexec(call: Call) -> None:
    if call.flag:
        raise ConfigError(
            "Suexec On is not supported: scripts run as the server's own User; for an application with a user of its "
            "own use PythonInterpUser"
        )


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "FileETag",
        Args.ITERATE,
        EVERYWHERE,
        _file_etag,
        Override.FILEINFO,
        "INode, MTime, Size, Digest, All or None; with + or - of what the scope around has",
    ),
    *(
        Directive(
            setting.name,
            Args.TAKE1,
            NOT_HTACCESS,
            values.directory(setting, _ranges(setting.default)),
            help="a number, default, unlimited or none",
        )
        for setting in (MAX_RANGES, MAX_RANGE_OVERLAPS, MAX_RANGE_REVERSALS)
    ),
    Directive(
        "EnableMMAP",
        Args.FLAG,
        EVERYWHERE,
        lambda _call: None,  # (files are sent without being mapped, whatever it says)
        Override.FILEINFO,
    ),
    Directive(
        "EnableSendfile",
        Args.FLAG,
        EVERYWHERE,
        values.directory(ENABLE_SENDFILE, values.flag),
        Override.FILEINFO,
    ),
    Directive(
        "ContentDigest",
        Args.FLAG,
        EVERYWHERE,
        _no_digest,
        Override.OPTIONS,
    ),
    Directive(
        "ServerSignature",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(SERVER_SIGNATURE, values.one_of("on", "off", "email")),
        Override.ALL,
        "On, Off or EMail: whether the server's own pages end with its name",
    ),
    Directive(
        "SourceProtection",
        Args.FLAG,
        NOT_HTACCESS,
        values.directory(SOURCE_PROTECTION, values.flag),
        help="On or Off: .py, .pyc, .pyo, .psp, .wsgi and .ht* are never sent as static files",
    ),
    Directive(
        "TraceEnable",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(TRACE_ENABLE, values.one_of("on", "off", "extended")),
        help="On, Off or Extended",
    ),
    Directive(
        "AllowEncodedSlashes",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(ALLOW_ENCODED_SLASHES, values.one_of("on", "off", "nodecode")),
        help="On, Off or NoDecode: what %2F in a path is",
    ),
    Directive("MergeSlashes", Args.FLAG, SERVER_VHOST, values.server(MERGE_SLASHES, values.flag)),
    Directive(
        "UseCanonicalPhysicalPort",
        Args.FLAG,
        NOT_HTACCESS,
        values.directory(USE_CANONICAL_PHYSICAL_PORT, values.flag),
    ),
    Directive("Protocols", Args.ITERATE, SERVER_VHOST, _protocols, help="http/1.1"),
    Directive("ProtocolsHonorOrder", Args.FLAG, SERVER_VHOST, lambda _call: None),  # (there is one protocol)
    Directive("NameVirtualHost", Args.TAKE1, SERVER_ONLY, _name_virtual_host, help="an address"),
    Directive(
        "DefaultRuntimeDir",
        Args.TAKE1,
        SERVER_ONLY,
        values.server(DEFAULT_RUNTIME_DIR, values.path),
        help="the directory of the pid file",
    ),
    Directive("ExtendedStatus", Args.FLAG, SERVER_ONLY, values.server(EXTENDED_STATUS, values.flag)),
    Directive("MaxMemFree", Args.TAKE1, SERVER_ONLY, _max_mem_free, help="KiB"),
    Directive(
        "ThreadStackSize",
        Args.TAKE1,
        SERVER_ONLY,
        values.server(THREAD_STACK_SIZE, _stack_size),
        help="bytes of each thread's stack, 0 for the system's default",
    ),
    Directive("LoadFile", Args.RAW, SERVER_ONLY, _load_file, help="files"),
    Directive("Suexec", Args.FLAG, SERVER_ONLY, _suexec),
)
