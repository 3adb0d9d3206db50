"""The core's directives: values, merging, and what is refused. Wording and bounds follow httpd 2.4."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modules.contexts import MD_CONTEXTS, TRACING_CONTEXTS
from modules.scopes import REGISTRY, Scope, in_directory, within
from mpserver.api.entity_tag import INODE, MTIME, SIZE
from mpserver.config.override import Override
from mpserver.config.registry import (
    Args,
    Where,
)
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError
from mpserver.modules import core, values
from mpserver.modules.core import Listen, hooks
from mpserver.modules.core import listen as core_listen


def server(*lines: str) -> Conf:
    return Scope().say(*lines).server


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("80",), Listen(None, 80, "http")),
        (("*:8080",), Listen(None, 8080, "http")),
        (("443",), Listen(None, 443, "https")),
        (("443", "HTTP"), Listen(None, 443, "http")),
        (("192.0.2.1:80",), Listen("192.0.2.1", 80, "http")),
        (("[::1]:80",), Listen("::1", 80, "http")),
        (("localhost:65535", "https"), Listen("localhost", 65535, "https")),
    ],
)
def test_listen(words: tuple[str, ...], expected: Listen) -> None:
    assert core_listen.parse_listen(*words) == expected


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("foo", "Port must be specified"),
        ("[::1]", "Port must be specified"),
        ("1.2.3.4:", "Port must be specified"),
        ("x:8o", "Port must be specified"),
        ("x:٨", "Port must be specified"),
        ("0", "Invalid address or port"),
        ("99999", "Invalid address or port"),
        ("65536", "Invalid address or port"),
        (":80", "Invalid address or port"),
        ("::1:80", "Invalid address or port"),
    ],
)
def test_listen_refuses(address: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        core_listen.parse_listen(address)


def test_listens_add_up() -> None:
    assert [listen.port for listen in server("Listen 81", "Listen 82")[core.LISTEN]] == [81, 82]
    with pytest.raises(ConfigError, match="Listen requires 1 or 2 arguments"):
        server("Listen 80 http x")


@pytest.mark.parametrize(
    ("word", "seconds"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("500ms", 0.5),
        ("30s", 30.0),
        ("2mi", 120.0),
        ("2min", 120.0),
        ("1h", 3600.0),
    ],
)
def test_times(word: str, seconds: float) -> None:
    assert server(f"Timeout {word}")[core.TIMEOUT] == seconds
    assert server(f"KeepAliveTimeout {word}")[core.KEEP_ALIVE_TIMEOUT] == seconds


@pytest.mark.parametrize("word", ["x", "-3", "3.5", "3m", "3MS", "3d", "3us", "", "1_000", "٣", "9" * 16])
def test_times_refused(word: str) -> None:
    with pytest.raises(ConfigError, match=r"KeepAliveTimeout (has wrong format|takes one argument)"):
        server(f'KeepAliveTimeout "{word}"')


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "MaxKeepAliveRequests -1",
            'MaxKeepAliveRequests "-1" must be a whole number from 0 on (0 = no limit)',
        ),
        ("MaxKeepAliveRequests x", 'MaxKeepAliveRequests "x" must be a whole number'),
        ("LimitRequestLine -1", 'LimitRequestLine "-1" must be'),
        ("LimitRequestFields 40000", 'LimitRequestFields "40000" must be a whole number from 0 to 32767'),
        ("LimitRequestFieldSize 1k", 'LimitRequestFieldSize "1k" must be'),
        ("LimitRequestBody 99999999999999999999999", "LimitRequestBody"),
        ("LimitRequestBody 1_0", "LimitRequestBody"),
        ("KeepAlive maybe", "KeepAlive must be On or Off"),
        ("ServerTokens foo", "must be one of: full, os, min"),
        ("UseCanonicalName foo", "must be one of: on, off, dns"),
        ("AcceptPathInfo foo", "must be one of: on, off, default"),
        (
            "LogLevel foo",
            "Log level keyword must be one of emerg/alert/crit/error/warn/notice/info/debug/trace1",
        ),
        ("LogLevel alias:foo", "alias:foo: Log level keyword must be one of"),
        ("LogLevel foo:debug", "Cannot find module foo"),
        ("ErrorDocument 99 x", "Unsupported HTTP response code 99"),
        ("ErrorDocument abc x", "Unsupported HTTP response code abc"),
        ("ErrorDocument 418 x", "Unsupported HTTP response code 418"),
        ("ErrorDocument 404", "ErrorDocument takes two arguments"),
        ("ErrorLog |", "there is no command"),
        ("Mutex foo", "Invalid Mutex argument foo"),
        ("Mutex sem:/tmp", "Invalid Mutex argument sem:/tmp"),
        ("Mutex file:", "Invalid Mutex argument file:"),
        ("Mutex none", "None is not allowed for mutex type default"),
    ],
)
def test_faults(line: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Scope().say(line)
    assert message in caught.value.message


def test_limits() -> None:
    conf = server("LimitRequestLine 100", "LimitRequestFields 0", "LimitRequestFieldSize 2147483647")
    assert (conf[core.LIMIT_REQUEST_LINE], conf[core.LIMIT_REQUEST_FIELDS]) == (100, 0)
    assert conf[core.LIMIT_REQUEST_FIELD_SIZE] == 2147483647
    assert Conf()[core.LIMIT_REQUEST_BODY] == 1073741824
    assert in_directory("LimitRequestBody 0")[core.LIMIT_REQUEST_BODY] == 0


def test_log_levels() -> None:
    conf = Scope().say("LogLevel info python:trace8 mod_alias.c:debug mime_module:crit prefork.c:emerg").conf
    assert core.log_level(conf) == 6
    names = ("python", "alias", "mime", "mpm_prefork", "dir")
    assert [core.log_level(conf, name) for name in names] == [15, 7, 2, 0, 6]
    assert core.log_level(Conf()) == 4
    inner = conf.merged(within("Directory", "/").say("LogLevel alias:emerg").conf)
    assert [core.log_level(inner, name) for name in ("core", "alias", "python")] == [6, 0, 15]
    reset = Scope().say("LogLevel alias:debug", "LogLevel error").conf
    assert core.log_level(reset, "alias") == 3


def test_log_level_of_the_server_and_of_a_section() -> None:
    assert Scope().say("LogLevel debug").server[core.LOG_LEVEL].level == 7
    assert core.LOG_LEVEL not in within("Location", "/").say("LogLevel debug").server


def test_error_documents() -> None:
    scope = Scope().say(
        "ErrorDocument 404 /nf",
        "ErrorDocument 500 'Oh dear'",
        r'ErrorDocument 403 "\"old style"',
        "ErrorDocument 503 https://x.example/y",
        "ErrorDocument 410 'see http://x.example/'",
    )
    assert scope.conf[core.ERROR_DOCUMENT] == {
        404: "/nf",
        500: '"Oh dear',
        403: '"old style',
        503: "https://x.example/y",
        410: '"see http://x.example/',
    }
    inner = scope.conf.merged(in_directory("ErrorDocument 404 default", "ErrorDocument 500 /e"))
    assert inner[core.ERROR_DOCUMENT][404] == ""
    assert inner[core.ERROR_DOCUMENT][500] == "/e"
    assert inner[core.ERROR_DOCUMENT][503] == "https://x.example/y"


def test_a_url_for_401_is_ignored() -> None:
    scope = Scope().say("ErrorDocument 401 http://x.example/")
    assert core.ERROR_DOCUMENT not in scope.conf
    assert "cannot use a full URL in a 401 ErrorDocument" in scope.warnings[0]


def test_paths_are_under_server_root() -> None:
    conf = server("ServerRoot /srv", "ErrorLog logs/../e", "PidFile run/pid")
    assert core.error_log(conf) == "/srv/e"
    assert core.pid_file(conf) == "/srv/run/pid"
    assert core.document_root(conf) == "/srv/htdocs"
    assert core.document_root(server("DocumentRoot //www//x/")) == "/www/x"
    assert core.error_log(Conf()) == f"{core.DEFAULT_ROOT}/logs/error_log"


@pytest.mark.parametrize("target", ["|/bin/cat >/dev/null", "syslog", "syslog:local7"])
def test_error_logs_that_are_no_files(target: str) -> None:
    assert core.error_log(server(f'ErrorLog "{target}"')) == target


def test_types_and_handlers() -> None:
    outer = in_directory("ForceType Text/X", "SetHandler MOD_PYTHON")
    assert (outer[core.FORCE_TYPE], outer[core.SET_HANDLER]) == ("text/x", "mod_python")
    inner = outer.merged(in_directory("ForceType None", "SetHandler none"))
    assert (inner[core.FORCE_TYPE], inner[core.SET_HANDLER]) == (None, None)


def test_default_charset() -> None:
    assert [in_directory(f"AddDefaultCharset {word}")[core.ADD_DEFAULT_CHARSET] for word in ("On", "off", "UTF-8")] == [
        "iso-8859-1",
        None,
        "UTF-8",
    ]


def request() -> Any:
    return SimpleNamespace(mp_content_type="a/b", mp_handler="h", mp_used_path_info=2)


def fixup(conf: Conf) -> Any:
    """The core's fixup of a configuration."""
    planning: Any = SimpleNamespace(conf=conf)
    return hooks.fixups(planning)


def test_the_first_fixup() -> None:
    req = request()
    assert fixup(Conf()) is None
    conf = in_directory("ForceType text/x", "SetHandler y", "AcceptPathInfo Off")
    assert fixup(conf)(req) == 0
    assert (req.mp_content_type, req.mp_handler, req.mp_used_path_info) == ("text/x", "y", 1)
    fixup(in_directory("AcceptPathInfo On"))(req)
    assert req.mp_used_path_info == 0
    req = request()
    fixup(conf.merged(in_directory("AcceptPathInfo Default")))(req)
    assert (req.mp_content_type, req.mp_handler, req.mp_used_path_info) == ("text/x", "y", 2)
    req = request()
    fixup(in_directory("SetHandler y"))(req)
    assert (req.mp_content_type, req.mp_handler, req.mp_used_path_info) == ("a/b", "y", 2)


def test_default_type() -> None:
    assert not Scope().say("DefaultType None").warnings
    assert "Ignoring deprecated use of DefaultType" in Scope().say("DefaultType text/plain").warnings[0]


def test_mutexes() -> None:
    conf = server("Mutex sem", "Mutex FLOCK:locks ssl-cache watchdog OmitPID")
    assert conf[core.MUTEX] == {
        "default": core.Mutex("sem", None),
        "ssl-cache": core.Mutex("flock", "/srv/locks"),
        "watchdog": core.Mutex("flock", "/srv/locks"),
    }


def test_the_machine_is_checked_at_the_start(tmp_path: Path) -> None:
    good = server(f"DocumentRoot {tmp_path}", f"Mutex file:{tmp_path}")
    assert values.check([good]) == []
    bad = server(f"DocumentRoot {tmp_path}/none", f"Mutex file:{tmp_path}/none")
    first, second = values.check([good, bad])
    assert str(first) == (
        f"Syntax error on line 1 of test.conf:\nDocumentRoot '{tmp_path}/none' is not a directory, or is not readable"
    )
    assert second.line == 2
    assert second.message.startswith(f"Invalid Mutex directory in argument file:{tmp_path}/none")


#: Those of both MPMs among them.
DIRECTIVES = {directive.name: directive for module in REGISTRY.built_in for directive in module.directives}

#: Those of mod_ssl.
SSL_CONTEXTS = {
    (Where.SERVER | Where.VHOST, Override.NONE): (
        "SSLCADNRequestFile SSLCADNRequestPath SSLCARevocationCheck SSLCARevocationFile SSLCARevocationPath "
        "SSLCertificateChainFile SSLCertificateFile SSLCertificateKeyFile SSLCompression SSLEngine SSLHonorCipherOrder "
        "SSLInsecureRenegotiation SSLOCSPEnable SSLOpenSSLConfCmd SSLProtocol SSLSessionCacheTimeout "
        "SSLSessionTicketKeyFile SSLSessionTickets SSLStaplingErrorCacheTimeout SSLStaplingFakeTryLater "
        "SSLStaplingForceURL SSLStaplingResponderTimeout SSLStaplingResponseMaxAge SSLStaplingResponseTimeSkew "
        "SSLStaplingReturnResponderErrors SSLStaplingStandardCacheTimeout SSLStrictSNIVHostCheck SSLUseStapling "
        "SSLOCSPDefaultResponder SSLOCSPNoVerify SSLOCSPOverrideResponder SSLOCSPProxyURL "
        "SSLOCSPResponderCertificateFile SSLOCSPResponderTimeout SSLOCSPResponseMaxAge SSLOCSPResponseTimeSkew "
        "SSLOCSPUseRequestNonce"
    ),
    (Where.SERVER, Override.NONE): (
        "SSLCryptoDevice SSLFIPS SSLPassPhraseDialog SSLRandomSeed SSLSessionCache SSLStaplingCache SSLVHostSNIPolicy"
    ),
    (Where.DIRECTORY | Where.HTACCESS, Override.AUTHCONFIG): "SSLRenegBufferSize SSLRequire SSLRequireSSL",
    (~Where(0), Override.AUTHCONFIG): (
        "SSLCACertificateFile SSLCACertificatePath SSLCipherSuite SSLUserName SSLVerifyClient SSLVerifyDepth"
    ),
    (~Where(0), Override.OPTIONS): "SSLOptions",
    (Where.SERVER | Where.VHOST | Where.DIRECTORY, Override.NONE): (
        "SSLProxyCACertificateFile SSLProxyCACertificatePath SSLProxyCARevocationCheck SSLProxyCARevocationFile "
        "SSLProxyCARevocationPath SSLProxyCheckPeerCN SSLProxyCheckPeerExpire SSLProxyCheckPeerName "
        "SSLProxyCipherSuite SSLProxyEngine SSLProxyMachineCertificateChainFile SSLProxyMachineCertificateFile "
        "SSLProxyMachineCertificatePath SSLProxyProtocol SSLProxyVerify SSLProxyVerifyDepth"
    ),
}

#: Contexts and AllowOverride classes as `httpd -L` tells them, for each group of directives.
CONTEXTS = {
    (Where.SERVER | Where.VHOST, Override.NONE): (
        "AddModuleInfo AllowEncodedSlashes "
        "MergeSlashes AllowCONNECT BalancerGrowth BalancerInherit BalancerPersist NoProxy "
        "ProxyBadHeader ProxyBlock ProxyDomain ProxyIOBufferSize ProxyMaxForwards ProxyPassInherit "
        "ProxyReceiveBufferSize ProxyRemote ProxyRemoteMatch ProxyRequests ProxySourceAddress ProxyStatus "
        "ProxyTimeout ProxyVia RewriteMap "
        "AccessFileName AliasMatch CustomLog DocumentRoot ErrorLog KeepAlive KeepAliveTimeout LimitRequestFields "
        "LimitRequestFieldSize LimitRequestLine LogFormat MaxKeepAliveRequests PythonConnectionHandler PythonImport "
        "LimitResponseFields LimitResponseHead PythonOptimize ResponseBuffer ResponseSpool "
        "BrotliAlterETag BrotliCompressionMaxInputBlock BrotliCompressionQuality BrotliCompressionWindow "
        "BrotliFilterNote DeflateAlterETag DeflateBufferSize DeflateCompressionLevel DeflateFilterNote DeflateMemLevel "
        "DeflateWindowSize ZstdAlterETag ZstdCompressionLevel ZstdFilterNote "
        "PythonPostReadRequestHandler PythonTransHandler ScriptAliasMatch ServerAdmin ServerAlias ServerName "
        "Protocols ProtocolsHonorOrder RequestReadTimeout SSIEndTag SSIStartTag TraceEnable ServerPath ServerRoot "
        "VirtualDocumentRoot VirtualDocumentRootIP VirtualScriptAlias VirtualScriptAliasIP CacheNegotiatedDocs "
        "ScriptLog ScriptLogBuffer ScriptLogLength "
        "SuexecUserGroup Timeout TransferLog TypesConfig UserDir "
        "ErrorLogFormat RemoteIPHeader RemoteIPInternalProxy RemoteIPInternalProxyList RemoteIPProxiesHeader "
        "RemoteIPProxyProtocol RemoteIPProxyProtocolExceptions RemoteIPTrustedProxy RemoteIPTrustedProxyList "
    ),
    (Where.SERVER, Override.NONE): (
        "AuthDigestNcCheck AuthDigestShmemSize AuthnCacheEnable AuthnCacheSOCache "
        "Group GracefulShutdownTimeout Listen MaxClients MaxConnectionsPerAddress MaxConnectionsPerChild "
        "MaxRequestsPerChild MaxRequestWorkers NoNewPrivileges "
        "MaxSpareServers MaxSpareThreads MinSpareServers MinSpareThreads MPM Mutex PidFile ServerLimit ServerTokens "
        "ProxyHCTPsize "
        "StartServers ThreadLimit ThreadsPerChild User PythonInterpMax PythonInterpPreloadTimeout "
        "PythonInterpQueue "
        "PythonInterpRecycleLimit AsyncRequestWorkerFactor DefaultRuntimeDir ExtendedStatus LoadFile MaxMemFree "
        "ManagementListen SeeRequestTail SlowClientDisk SlowClientMemory "
        "NameVirtualHost ScriptSock Suexec ThreadStackSize BufferedLogs GlobalLog "
        "ShutdownDelay "
        "WorkerTimeout "
        "ListenBackLog ListenFdName "
        "<AuthnProviderAlias <AuthzProviderAlias "
        "MaxMemoryPerChild"
    ),
    (Where.SERVER | Where.VHOST | Where.DIRECTORY, Override.NONE): (
        "BalancerMember ProxyAddHeaders ProxyErrorOverride ProxyFCGIBackendType ProxyPass ProxyPassInterpolateEnv "
        "ProxyPassMatch ProxyPassReverse ProxyPassReverseCookieDomain ProxyPassReverseCookiePath ProxyPreserveHost "
        "ProxyHCExpr ProxyHCTemplate ProxySet "
        "Alias CGIDScriptTimeout CGIScriptTimeout HostnameLookups LogLevel PythonExecutable PythonInputFilter "
        "PythonInterpBackend PythonInterpEnv PythonInterpMaxMemory PythonInterpNice PythonInterpPreload "
        "PythonInterpSoftMemory PythonInterpLazyImports "
        "PythonInterpUser PythonOutputFilter PythonRequestTimeout "
        "RequestBodyBuffer RequestBodySpool "
        "SourceProtection MaxRanges MaxRangeOverlaps MaxRangeReversals UseCanonicalPhysicalPort "
        "PythonVirtualEnv Script ScriptAlias UseCanonicalName "
        "PythonInterpIdleTimeout PythonInterpMaxRequests PythonInterpReload"
    ),
    (Where.DIRECTORY, Override.NONE): "AllowOverride AllowOverrideList",
    (Where.DIRECTORY | Where.HTACCESS, Override.AUTHCONFIG): (
        "AuthBasicAuthoritative AuthMerging AuthName AuthType AuthzSendForbiddenOnFailure CGIPassAuth Require "
        "<RequireAll <RequireAny <RequireNone AuthBasicFake AuthBasicProvider AuthGroupFile AuthUserFile Satisfy "
        "Anonymous Anonymous_MustGiveEmail Anonymous_VerifyEmail Anonymous_LogEmail Anonymous_NoUserID "
        "AuthDBMUserFile AuthDBMType AuthDBMGroupFile AuthzDBMType "
        "AuthnCacheProvideFor AuthnCacheTimeout AuthnCacheContext "
        "AuthDigestAlgorithm AuthDigestDomain AuthDigestNonceLifetime AuthDigestProvider AuthDigestQop"
    ),
    (Where.DIRECTORY | Where.HTACCESS, Override.FILEINFO): "RewriteBase",
    (~Where(0), Override.FILEINFO): (
        "RewriteCond RewriteEngine RewriteOptions RewriteRule "
        "RequestBodyStreaming "
        "BrowserMatch BrowserMatchNoCase Header PassEnv RequestHeader SetEnv SetEnvIf SetEnvIfExpr SetEnvIfNoCase "
        "UnsetEnv "
        "AcceptPathInfo AddCharset AddDefaultCharset AddEncoding AddHandler AddInputFilter AddLanguage AddOutputFilter "
        "Action MultiviewsMatch LanguagePriority ForceLanguagePriority "
        "AddOutputFilterByType AddType AliasPreservePath DefaultLanguage DefaultType ErrorDocument ForceType "
        "RemoveCharset RemoveEncoding RemoveHandler RemoveInputFilter RemoveLanguage RemoveOutputFilter RemoveType "
        "SetHandler SetInputFilter SetOutputFilter FileETag EnableMMAP EnableSendfile ProxyFCGISetEnvIf "
        "Redirect RedirectMatch RedirectPermanent "
        "RedirectTemp"
    ),
    (~Where(0), Override.OPTIONS): "Options XBitHack ContentDigest",
    (Where.DIRECTORY | Where.HTACCESS, Override.LIMIT): "SSIETag SSILastModified SSILegacyExprParser Allow Deny Order",
    (Where.DIRECTORY | Where.HTACCESS, Override.LIMIT | Override.AUTHCONFIG): "<Limit <LimitExcept",
    (~Where(0), Override.INDEXES): (
        "AddAlt AddAltByEncoding AddAltByType AddDescription AddIcon AddIconByEncoding AddIconByType DefaultIcon "
        "HeaderName IndexHeadInsert IndexIgnore IndexIgnoreReset IndexOptions IndexOrderDefault IndexStyleSheet "
        "ReadmeName DirectoryIndexRedirect FallbackResource "
        "DirectoryCheckHandler DirectoryIndex DirectorySlash ExpiresActive ExpiresByType ExpiresDefault"
    ),
    (~Where(0), Override.ALL): (
        "LogIOTrackTTFB "
        "DeflateInflateLimitRequestBody DeflateInflateRatioBurst DeflateInflateRatioLimit "
        "LimitRequestBody PythonAccessHandler PythonAuthenHandler PythonAuthzHandler PythonAutoReload "
        "PythonCleanupHandler PythonDebug PythonEnablePdb PythonFixupHandler PythonHandler PythonHandlerModule "
        "PythonHeaderParserHandler PythonInitHandler PythonInterpPerDirective PythonInterpPerDirectory "
        "PythonInterpreter PythonLogHandler PythonOption PythonPath PythonTypeHandler "
        "SSIErrorMsg SSITimeFormat SSIUndefinedEcho ServerSignature RLimitCPU RLimitMEM RLimitNPROC"
    ),
}


#: Those of mod_wsgi.
WSGI_CONTEXTS = {
    (Where.SERVER | Where.VHOST, Override.NONE): (
        "WSGIAcceptMutex WSGICaseSensitivity WSGIDaemonProcess WSGIDestroyInterpreter WSGIDontWriteBytecode "
        "WSGIImportScript WSGILazyInitialization WSGINewRelicConfigFile WSGINewRelicEnvironment WSGIPythonEggs "
        "WSGIPythonHashSeed WSGIPythonWarnings WSGIRestrictEmbedded WSGIRestrictSignal WSGIRestrictStdin "
        "WSGIRestrictStdout WSGIScriptAlias WSGIScriptAliasMatch WSGIServerMetrics WSGISocketPrefix "
        "WSGISocketRotation WSGIVerboseDebugging"
    ),
    # (mod_wsgi says so when it reads them)
    (Where.SERVER, Override.NONE): "WSGIPythonHome WSGIPythonOptimize WSGIPythonPath",
    (Where.SERVER | Where.VHOST | Where.DIRECTORY, Override.NONE): (
        "WSGIApplicationGroup WSGIDispatchScript WSGIHandlerScript WSGIPassApacheRequest WSGIProcessGroup "
        "WSGIRestrictProcess"
    ),
    (~Where(0), Override.FILEINFO): (
        "WSGICallableObject WSGIChunkedRequest WSGIEnableSendfile WSGIErrorOverride WSGIIgnoreActivity "
        "WSGIMapHEADToGET WSGIPassAuthorization WSGIScriptReloading WSGITrustedProxies WSGITrustedProxyHeaders"
    ),
    (Where.DIRECTORY | Where.HTACCESS, Override.AUTHCONFIG): (
        "WSGIAccessScript WSGIAuthGroupScript WSGIAuthUserScript WSGIGroupAuthoritative"
    ),
}

for _context, _names in (
    *SSL_CONTEXTS.items(), *WSGI_CONTEXTS.items(), *MD_CONTEXTS.items(), *TRACING_CONTEXTS.items()
):  # fmt: skip
    CONTEXTS[_context] = f"{CONTEXTS.get(_context, '')} {_names}"


@pytest.mark.parametrize("name", sorted(name for names in CONTEXTS.values() for name in names.split()))
def test_contexts(name: str) -> None:
    directive = DIRECTIVES[name]
    (expected,) = (key for key, names in CONTEXTS.items() if name in names.split())
    assert (directive.where, directive.override) == expected
    assert directive.name == name


def test_every_directive_is_covered_by_the_contexts() -> None:
    told = {name for names in CONTEXTS.values() for name in names.split()}
    assert set(DIRECTIVES) == told, "where they may stand is told in CONTEXTS, above"


def test_every_directive_says_what_it_takes() -> None:
    shown = (Args.TAKE1, Args.TAKE2, Args.TAKE12, Args.TAKE23, Args.ITERATE, Args.ITERATE2)
    assert [d.name for d in DIRECTIVES.values() if d.args in shown and not d.help] == []


def test_known_modules() -> None:
    names = {module.name for module in REGISTRY.modules}
    assert names >= {
        "core_module", "http_module", "so_module", "mpm_prefork_module", "unixd_module", "alias_module", "dir_module",
        "mime_module", "authn_core_module", "authz_core_module", "authz_user_module", "authz_groupfile_module",
        "auth_basic_module", "log_config_module", "logio_module", "version_module", "python_module",
    }  # fmt: skip


def test_what_a_scope_adds_to_its_own_tags_is_added_to_for_those_inside() -> None:
    outer, inner = in_directory("FileETag INode +Size"), in_directory("FileETag +MTime")
    # (as httpd: the tag of a file there has all three)
    assert outer.merged(inner)[core.FILE_ETAG].effective == INODE | SIZE | MTIME
    assert outer.merged(in_directory("FileETag -Size"))[core.FILE_ETAG].effective == INODE
