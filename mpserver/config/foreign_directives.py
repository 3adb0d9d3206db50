"""Directives of httpd modules that are not here, by how their names begin: whose they are, and what there is instead.

Asked only where a name is unknown and none of ours is near (`mpserver.config.foreign_modules` has single ones).
"""

from __future__ import annotations

_LOGIN = "log people in by AuthType Basic or Digest, a PythonAuthenHandler, or sessions of applications"
_SESSION = "applications have mod_python.Session"
_CACHE = "put a cache before the server, or send Cache-Control by Header or Expires"
_DATABASE = "applications ask databases themselves; a PythonAuthenHandler looks users up"
_FASTCGI = "run the program's own FastCGI server, and ProxyPass to fcgi://"
_PHP = 'run PHP-FPM, and write SetHandler "proxy:unix:SOCKET|fcgi://localhost"'
_SUBVERSION = "serve the repository by svnserve, or by an Apache of its own behind ProxyPass"
_FILTER = "a PythonOutputFilter changes what is sent"

#: How names begin, in lower case, longer ones before what they begin with; the module, and what to do.
STARTS = (
    ("authldap", "mod_authnz_ldap", _LOGIN),
    ("ldap", "mod_ldap", _LOGIN),
    ("authform", "mod_auth_form", _LOGIN),
    ("authdbd", "mod_authn_dbd", _DATABASE),
    ("authzdbd", "mod_authz_dbd", _DATABASE),
    ("shib", "mod_shib", _LOGIN),
    ("oidc", "mod_auth_openidc", _LOGIN),
    ("mellon", "mod_auth_mellon", _LOGIN),
    ("session", "mod_session", _SESSION),
    ("dbd", "mod_dbd", _DATABASE),
    ("cache", "mod_cache", _CACHE),
    ("dav", "mod_dav", "serve WebDAV by an application, such as wsgidav"),
    ("h2", "mod_http2", "clients are served with http/1.1: remove the line"),
    ("fcgid", "mod_fcgid", _FASTCGI),
    ("fastcgi", "mod_fastcgi", _FASTCGI),
    ("php_", "mod_php", _PHP),
    ("perl", "mod_perl", "serve it by a server for Perl behind ProxyPass"),
    ("lua", "mod_lua", "write the handler in Python: PythonHandler"),
    ("passenger", "mod_passenger", "serve Python by mod_python.wsgi, and others by their servers behind ProxyPass"),
    ("substitute", "mod_substitute", _FILTER),
    ("extfilter", "mod_ext_filter", _FILTER),
    ("charset", "mod_charset_lite", _FILTER),
    ("proxyhtml", "mod_proxy_html", _FILTER),
    ("xml2", "mod_xml2enc", _FILTER),
    ("allowmethods", "mod_allowmethods", "write Require method GET POST"),
    ("sec", "mod_security", "put such a firewall before the server"),
    ("qs_", "mod_qos", "RequestReadTimeout and MaxRequestWorkers limit clients, or a proxy before the server does"),
    ("gssapi", "mod_auth_gssapi", _LOGIN),
    ("krb", "mod_auth_kerb", _LOGIN),
    ("tktauth", "mod_auth_pubtkt", _LOGIN),
    ("authpam", "mod_auth_pam", _LOGIN),
    ("authcas", "mod_auth_cas", _LOGIN),
    ("cas", "mod_auth_cas", _LOGIN),
    ("authexternal", "mod_authnz_external", _LOGIN),
    ("defineexternal", "mod_authnz_external", _LOGIN),
    ("authzsvn", "mod_authz_svn", _SUBVERSION),
    ("svn", "mod_dav_svn", _SUBVERSION),
    ("xsendfile", "mod_xsendfile", "applications send files themselves: req.sendfile, or wsgi.file_wrapper"),
    ("jk", "mod_jk", "connect the servlets by HTTP: ProxyPass to http://"),
    ("proxyftp", "mod_proxy_ftp", "there is no way to speak ftp: serve the files themselves"),
    ("proxyscgi", "mod_proxy_scgi", _FASTCGI),
    ("proxyexpress", "mod_proxy_express", "RewriteRule with the flag P, and a RewriteMap"),
    ("uwsgi", "mod_uwsgi", "ProxyPass to uwsgi://"),
    ("scgi", "mod_scgi", _FASTCGI),
    ("railsenv", "mod_passenger", "serve it by a server of its own behind ProxyPass"),
    ("mono", "mod_mono", "serve it by a server of its own behind ProxyPass"),
    ("pagespeed", "mod_pagespeed", "what makes pages smaller is done before they are served"),
    ("modpagespeed", "mod_pagespeed", "what makes pages smaller is done before they are served"),
    ("ratelimit", "mod_ratelimit", "a proxy before the server can slow clients down"),
    ("buffersize", "mod_buffer", "remove the line: what handlers write is gathered as it is"),
    ("dos", "mod_evasive", "let a proxy before the server limit clients"),
    ("geoip", "mod_geoip", "a PythonAccessHandler can look addresses up"),
    ("maxminddb", "mod_maxminddb", "a PythonAccessHandler can look addresses up"),
)


def remedy(directive: str) -> str:
    """Whose an unknown directive may be, and what to do; for the end of a message, "" where nothing is known."""
    name = directive.lower()
    for start, module, instead in STARTS:
        if name.startswith(start):
            return f": it is known to httpd's {module}, which is not part of this server: {instead}"
    return ""
