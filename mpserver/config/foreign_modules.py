"""Modules of httpd that this server has not: what a LoadModule for one of them means.

Nothing is lost with some (httpd's caches), and there their directives, if any follow, are refused by themselves. Others
guard something, or keep the source of programs from being sent: a server must not start without them by accident.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Loading one of these is a warning; the text says what there is instead.
HARMLESS: Mapping[str, str] = {
    **dict.fromkeys(
        ("cache", "cache_disk", "cache_socache", "disk_cache", "mem_cache", "file_cache"),
        "nothing is cached, and all is answered afresh",
    ),
    **dict.fromkeys(
        (
            "socache_shmcb", "socache_dbm", "socache_memcache", "socache_redis", "socache_dc", "slotmem_shm",
            "slotmem_plain", "watchdog", "heartbeat", "heartmonitor",
        ),
        "what other modules of httpd need it for is built in",
    ),
    **dict.fromkeys(
        ("dumpio", "log_debug", "log_forensic", "firehose", "reflector", "echo", "data", "ident", "bucketeer"),
        "it helps people who look into httpd itself",
    ),
    **dict.fromkeys(
        (
            "dav", "dav_fs", "dav_lock", "imagemap", "cern_meta", "isapi", "ext_filter", "substitute", "sed",
            "charset_lite",
        ),
        "its directives are not there",
    ),
    **dict.fromkeys(("speling", "usertrack", "mime_magic"), "its directives are not there"),
    **dict.fromkeys(
        ("proxy_ajp", "proxy_ftp", "proxy_connect", "proxy_scgi", "proxy_express", "proxy_fdpass",
         "proxy_html", "xml2enc", "proxy_http2"),
        "addresses of its kind are refused",
    ),
    **dict.fromkeys(("lbmethod_bytraffic", "lbmethod_heartbeat"), "balancers can't choose it"),
    **dict.fromkeys(("http2", "tls"), "clients are served with http/1.1"),
    **dict.fromkeys(("dbd", "authn_default", "authz_default", "access"), "modules that need it are not there"),
    "suexec": "scripts run as the server's own User; PythonInterpUser gives an application a user of its own",
    "buffer": "what handlers write is gathered as it is",
    "request": "bodies are kept, and can be read, as RequestBodyBuffer says",
    "privileges": "it is for Solaris",
}  # fmt: skip

_SOURCES = "the sources of its programs would be sent to whoever asks for them"
_ACCESS = "what it keeps from people would be open to them"

#: Loading one of these is an error; the text says what would be lost.
GUARDS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "php", "php3", "php4", "php5", "php7", "php8", "perl", "lua", "ruby", "tcl", "rivet", "mono", "asp",
            "passenger", "fcgid", "fastcgi", "suphp", "ruid2",
        ),
        _SOURCES,
    ),
    **dict.fromkeys(
        (
            "authnz_ldap", "ldap", "authn_dbd", "authz_dbd", "authnz_fcgi", "authnz_external", "authnz_pam", "auth_pam",
            "authz_unixgroup", "authn_sasl", "authn_yubikey", "auth_gssapi", "auth_kerb", "auth_form",
            "auth_ntlm_winbind", "auth_sspi", "authnz_sspi", "auth_cas", "auth_mellon", "auth_openidc", "auth_tkt",
            "auth_pubtkt", "auth_mysql", "auth_pgsql", "auth_plain", "auth_radius", "auth_xradius", "authz_svn",
            "mod_shib", "shib", "shib2", "shib_22", "shib_24", "session", "session_cookie", "session_crypto",
            "session_dbd", "lookup_identity", "intercept_form_submit", "allowmethods", "geoip", "maxminddb",
            "identity", "csrf_prevent", "auth_jwt", "authnz_jwt", "jwt",
        ),
        _ACCESS,
    ),
    **dict.fromkeys(
        ("security", "security2", "security3", "defender"),
        "the requests that its rules stop would come in",
    ),
    **dict.fromkeys(
        ("evasive", "evasive20", "qos", "limitipconn", "cband", "bw", "dosdetector", "antiloris", "dialup",
         "ratelimit"),
        "nobody would be slowed down or stopped any more",
    ),
    **dict.fromkeys(
        ("mpm_itk", "mpm_peruser", "apparmor", "selinux", "chroot"),
        "sites would not be separated from each other; PythonInterpUser gives an application a user of its own",
    ),
}  # fmt: skip


_COOKIES = (
    "mod_usertrack is not part of this server. Remove the line; applications know their visitors by sessions "
    "(mod_python.Session), and %{NAME}C of LogFormat writes a cookie down"
)
_SPELLING = "mod_speling is not part of this server. Remove the line; RewriteRule leads to what was meant"

#: By the names, in lower case, of directives that are not there: what to do without them.
REMEDIES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "cookietracking", "cookiename", "cookiedomain", "cookieexpires", "cookiestyle", "cookiehttponly",
            "cookiesamesite", "cookiesecure",
        ),
        _COOKIES,
    ),
    **dict.fromkeys(("checkspelling", "checkcaseonly", "checkbasenamematch"), _SPELLING),
    "cookielog": 'httpd 2.4 has it no more: write CustomLog FILE "%{NAME}C \\"%r\\" %t"',
    "forensiclog": "mod_log_forensic is not part of this server. Write CustomLog, and %L or mod_unique_id for the id",
    "logmessage": "mod_log_debug is not part of this server. LogLevel debug, or a handler's req.log_error, tell more",
    "mimemagicfile": (
        "mod_mime_magic is not part of this server. Put it into <IfModule mod_mime_magic.c>, or name types with "
        "AddType, ForceType or mime.types"
    ),
}  # fmt: skip


def remedy(directive: str) -> str | None:
    """What to do without a directive that is not there; None where nothing is known of it."""
    return REMEDIES.get(directive.lower())


def lack(module: str) -> tuple[str, bool] | None:
    """What a LoadModule's module would be needed for.

    :param module: the identifier, as ``cache_module``.
    :returns: the text, and whether the server can be without; None for one that nobody knows.
    """
    name = module.removesuffix("_module")
    if name in GUARDS:
        return GUARDS[name], False
    if name in HARMLESS:
        return HARMLESS[name], True
    return None
