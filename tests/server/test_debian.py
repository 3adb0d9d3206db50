"""Configurations laid out as Debian's packages have them: modules, pieces and sites by links, paths by the environment.

What stands in them is of the shape that the packages of Apache, of Trac, Mercurial, ViewVC, Roundup, Mailman, Munin,
AWStats, Nagios, Icinga, Graphite and Radicale bring; the server starts with all of it at once.
"""

from __future__ import annotations

import contextlib
import grp
import http.client
import json
import os
import pwd
import ssl
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest

from support.backend import Talk, backend
from support.certificates import Authority
from support.processes import nothing_outlives
from support.server import Port, Server
from support.waiting import PATIENCE

#: As `a2query -m` lists them where ssl, rewrite, headers, proxy, proxy_http, expires and what applications need are on.
MODULES = (
    "access_compat", "alias", "auth_basic", "auth_digest", "authn_core", "authn_file", "authz_core", "authz_groupfile",
    "authz_host", "authz_user", "autoindex", "cgid", "deflate", "dir", "env", "expires", "filter", "headers", "mime",
    "mpm_event", "negotiation", "proxy", "proxy_http", "proxy_uwsgi", "reqtimeout", "rewrite", "setenvif",
    "socache_shmcb", "ssl", "status", "wsgi",
)  # fmt: skip

MAIN = """
DefaultRuntimeDir ${APACHE_RUN_DIR}
PidFile ${APACHE_PID_FILE}
Timeout 300
KeepAlive On
MaxKeepAliveRequests 100
KeepAliveTimeout 5
User ${APACHE_RUN_USER}
Group ${APACHE_RUN_GROUP}
HostnameLookups Off
ErrorLog ${APACHE_LOG_DIR}/error.log
LogLevel warn
IncludeOptional mods-enabled/*.load
IncludeOptional mods-enabled/*.conf
Include ports.conf
<Directory />
	Options FollowSymLinks
	AllowOverride None
	Require all denied
</Directory>
<Directory ${SHARE}>
	AllowOverride None
	Require all granted
</Directory>
<Directory ${HTML}/>
	Options Indexes FollowSymLinks
	AllowOverride None
	Require all granted
</Directory>
AccessFileName .htaccess
<FilesMatch "^\\.ht">
	Require all denied
</FilesMatch>
LogFormat "%v:%p %h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" vhost_combined
LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined
IncludeOptional conf-enabled/*.conf
IncludeOptional sites-enabled/*.conf
"""

PIECES = {
    "ports.conf": """
Listen 127.0.0.1:${HTTP}
<IfModule ssl_module>
	Listen 127.0.0.1:${HTTPS}
</IfModule>
<IfModule mod_gnutls.c>
	Listen 127.0.0.1:${HTTPS}
</IfModule>
""",
    "mods-enabled/cgid.conf": "ScriptSock ${APACHE_RUN_DIR}/cgisock\n",
    "mods-enabled/ssl.conf": """
SSLRandomSeed startup builtin
SSLRandomSeed startup file:/dev/urandom 512
SSLRandomSeed connect builtin
SSLPassPhraseDialog  exec:/usr/share/apache2/ask-for-passphrase
SSLSessionCache		shmcb:${APACHE_RUN_DIR}/ssl_scache(512000)
SSLSessionCacheTimeout  300
SSLCipherSuite HIGH:!aNULL
SSLProtocol all -SSLv3
""",
    "mods-enabled/mpm_event.conf": """
StartServers		1
MinSpareThreads		1
MaxSpareThreads		75
ThreadLimit		64
ThreadsPerChild		4
MaxRequestWorkers	4
MaxConnectionsPerChild	0
""",
    "mods-enabled/mime.conf": """
TypesConfig ${MIME}
AddType application/x-compress .Z
AddType application/x-gzip .gz .tgz
AddHandler type-map var
""",
    "mods-enabled/dir.conf": "DirectoryIndex index.html index.cgi index.pl index.php index.xhtml index.htm\n",
    "mods-enabled/proxy.conf": """
<IfModule mod_proxy.c>
	<Proxy *>
	</Proxy>
</IfModule>
""",
    "mods-enabled/reqtimeout.conf": """
RequestReadTimeout header=20-40,minrate=500
RequestReadTimeout body=10,minrate=500
""",
    "mods-enabled/deflate.conf": """
<IfModule mod_filter.c>
	AddOutputFilterByType DEFLATE text/html text/plain text/xml
	AddOutputFilterByType DEFLATE application/xml application/json
</IfModule>
""",
    "mods-enabled/setenvif.conf": """
BrowserMatch "Mozilla/2" nokeepalive
BrowserMatch "MSIE 4\\.0b2;" nokeepalive downgrade-1.0 force-response-1.0
""",
    "conf-enabled/charset.conf": "#AddDefaultCharset UTF-8\n",
    "conf-enabled/security.conf": "ServerTokens OS\nServerSignature On\nTraceEnable Off\n",
    "conf-enabled/serve-cgi-bin.conf": """
<IfModule mod_alias.c>
	<IfModule mod_cgi.c>
		Define ENABLE_USR_LIB_CGI_BIN
	</IfModule>
	<IfModule mod_cgid.c>
		Define ENABLE_USR_LIB_CGI_BIN
	</IfModule>
	<IfDefine ENABLE_USR_LIB_CGI_BIN>
		ScriptAlias /cgi-bin/ ${LIB}/cgi-bin/
		<Directory "${LIB}/cgi-bin">
			AllowOverride None
			Options +ExecCGI -MultiViews +SymLinksIfOwnerMatch
			Require all granted
		</Directory>
	</IfDefine>
</IfModule>
""",
    "sites-enabled/000-default.conf": """
<VirtualHost *:${HTTP}>
	ServerAdmin webmaster@localhost
	DocumentRoot ${HTML}
	ErrorLog ${APACHE_LOG_DIR}/error.log
	CustomLog ${APACHE_LOG_DIR}/access.log combined
</VirtualHost>
""",
    "sites-enabled/default-ssl.conf": """
<VirtualHost *:${HTTPS}>
	ServerAdmin webmaster@localhost
	DocumentRoot ${HTML}
	ErrorLog ${APACHE_LOG_DIR}/error.log
	CustomLog ${APACHE_LOG_DIR}/access.log combined
	SSLEngine on
	SSLCertificateFile      ${CERTIFICATE}
	SSLCertificateKeyFile   ${KEY}
	<FilesMatch "\\.(?:cgi|shtml|phtml|php)$">
		SSLOptions +StdEnvVars
	</FilesMatch>
	<Directory ${LIB}/cgi-bin>
		SSLOptions +StdEnvVars
	</Directory>
</VirtualHost>
""",
    # applications
    "conf-enabled/munin.conf": """
ScriptAlias /munin-cgi/graph ${LIB}/munin/graph
Alias /munin/static/ ${SHARE}/munin/static/
<Directory ${SHARE}/munin>
    Require local
    Options None
</Directory>
<Directory ${LIB}/munin>
    Require local
    <IfModule mod_fcgid.c>
        SetHandler fcgid-script
    </IfModule>
    <IfModule !mod_fcgid.c>
        SetHandler cgi-script
    </IfModule>
</Directory>
Alias /munin ${SHARE}/munin
""",
    "conf-enabled/nagios.conf": """
ScriptAlias /nagios/cgi-bin ${LIB}/cgi-bin/nagios
Alias /nagios ${SHARE}/nagios
<DirectoryMatch (${SHARE}/nagios|${LIB}/cgi-bin/nagios)>
    Options FollowSymLinks
    DirectoryIndex index.php index.html
    AllowOverride AuthConfig
    Require ip	::1/128 fc00::/7 10.0.0.0/8 127.0.0.0/8 192.168.0.0/16
    <Files "cmd.cgi">
	AuthDigestDomain "Nagios"
	AuthDigestProvider file
	AuthUserFile	"${SHARE}/nagios/users"
	AuthGroupFile	"/etc/group"
	AuthName	"Nagios"
	AuthType	Digest
	Require	valid-user
    </Files>
</DirectoryMatch>
<Directory ${SHARE}/nagios>
    Options	+ExecCGI
</Directory>
""",
    "conf-enabled/icingaweb.conf": """
Alias /icingaweb "${SHARE}/icingaweb"
<Directory "${SHARE}/icingaweb">
    Options SymLinksIfOwnerMatch
    AllowOverride None
    SetEnv ICINGAWEB_CONFIGDIR "/etc/icingaweb"
    EnableSendfile Off
    <IfModule mod_rewrite.c>
        RewriteEngine on
        RewriteBase /icingaweb/
        RewriteCond %{REQUEST_FILENAME} -s [OR]
        RewriteCond %{REQUEST_FILENAME} -l [OR]
        RewriteCond %{REQUEST_FILENAME} -d
        RewriteRule ^.*$ - [NC,L]
        RewriteRule ^.*$ index.html [NC,L]
    </IfModule>
    <IfModule !mod_rewrite.c>
        DirectoryIndex error_norewrite.html
        ErrorDocument 404 /error_norewrite.html
    </IfModule>
</Directory>
""",
    "conf-enabled/awstats.conf": """
<IfModule mod_cgid.c>
    <Directory ${SHARE}/awstats/icon>
        Options None
        AllowOverride None
        Order allow,deny
        Allow from all
    </Directory>
    Alias /awstats-icon/ ${SHARE}/awstats/icon/
    <Directory ${LIB}/awstats>
        Options +ExecCGI -MultiViews +SymLinksIfOwnerMatch
    </Directory>
</IfModule>
""",
    "conf-enabled/mailman.conf": """
ScriptAlias /cgi-bin/mailman/ ${LIB}/cgi-bin/mailman/
Alias /pipermail/ ${SHARE}/pipermail/
Alias /mailman3/static ${SHARE}/mailman3
<Directory ${LIB}/cgi-bin/mailman/>
    AllowOverride None
    Options ExecCGI
    AddHandler cgi-script .cgi
    Require all granted
</Directory>
<Directory ${SHARE}/pipermail/>
    Options Indexes MultiViews FollowSymLinks
    AllowOverride None
    Require all granted
</Directory>
<IfModule mod_proxy_uwsgi.c>
	ProxyPass /mailman3/static !
	ProxyPass /mailman3 unix:${SOCKET}|uwsgi://localhost/
</IfModule>
""",
    "conf-enabled/viewvc.conf": """
ScriptAlias /viewvc ${LIB}/cgi-bin/viewvc.cgi
Alias /viewvc-static ${SHARE}/viewvc
<Location /viewvc>
    <IfModule mod_authz_core.c>
        Require all granted
    </IfModule>
    <IfModule !mod_authz_core.c>
        Order allow,deny
        Allow from all
    </IfModule>
</Location>
""",
    "conf-enabled/hgweb.conf": """
ScriptAliasMatch ^/hg(.*) ${LIB}/cgi-bin/hgweb.cgi$1
<Location /hg/kept>
    AuthType Basic
    AuthName "Mercurial repositories"
    AuthUserFile ${SHARE}/hg.users
    <LimitExcept GET HEAD OPTIONS>
        Require valid-user
    </LimitExcept>
</Location>
""",
    "sites-enabled/trac.conf": """
<VirtualHost *:${HTTP}>
	ServerName trac.test
	WSGIDaemonProcess trac processes=1 threads=5 display-name=%{GROUP}
	WSGIProcessGroup trac
	WSGIApplicationGroup %{GLOBAL}
	WSGIScriptAlias / ${SHARE}/trac/trac.wsgi
	<Location /login>
		AuthType Basic
		AuthName "trac"
		AuthUserFile ${SHARE}/hg.users
		Require valid-user
	</Location>
	Alias /chrome/ ${SHARE}/trac/htdocs/
	<Location "/chrome/">
		SetHandler None
	</Location>
	ErrorLog ${APACHE_LOG_DIR}/trac_error.log
	CustomLog ${APACHE_LOG_DIR}/trac_access.log combined
</VirtualHost>
""",
    "sites-enabled/graphite.conf": """
<VirtualHost *:${HTTP}>
	ServerName graphite.test
	WSGIDaemonProcess _graphite processes=1 threads=5 display-name='%{GROUP}' inactivity-timeout=120
	WSGIProcessGroup _graphite
	WSGIImportScript ${SHARE}/trac/trac.wsgi process-group=_graphite application-group=%{GLOBAL}
	WSGIScriptAlias / ${SHARE}/trac/trac.wsgi
	LogLevel warn
	CustomLog ${APACHE_LOG_DIR}/graphite_access.log combined
</VirtualHost>
""",
    "sites-enabled/roundup.conf": """
<VirtualHost *:${HTTP}>
	ServerName roundup.test
	Alias /tracker/@@file/ ${SHARE}/trac/htdocs/
	RewriteEngine On
	RewriteRule ^/$ /tracker/ [R]
	<Location /tracker/>
		ProxyPass http://127.0.0.1:${BEHIND}/tracker/ retry=0
		ProxyPassReverse http://127.0.0.1:${BEHIND}/tracker/
	</Location>
</VirtualHost>
""",
    "sites-enabled/radicale.conf": """
<VirtualHost *:${HTTP}>
	ServerName radicale.test
	DocumentRoot ${HTML}
	<IfDefine !_RADICALE_APP>
		Define _RADICALE_APP localhost
	</IfDefine>
	<IfDefine _RADICALE_PREFIX>
		Define _RADICALE_LOCATION_MATCH ^${_RADICALE_PREFIX}.*
	</IfDefine>
	<IfDefine !_RADICALE_PREFIX>
		Define _RADICALE_LOCATION_MATCH ^(?!/.well-known/acme-challenge).*
	</IfDefine>
	<LocationMatch "${_RADICALE_LOCATION_MATCH}">
		ProxyPass        unix:${SOCKET}|uwsgi://${_RADICALE_APP}
		ProxyPassReverse unix:${SOCKET}|uwsgi://${_RADICALE_APP}
		RequestHeader set X-SCRIPT-NAME /cal
	</LocationMatch>
</VirtualHost>
""",
}

CGI = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s' \"$SCRIPT_NAME|$PATH_INFO|${SSL_PROTOCOL:-plain}\"\n"

WSGI = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['PATH_INFO']} {environ.get('REMOTE_USER')}".encode()]
"""

FILES: dict[str, str] = {
    "html/index.html": "It works",
    "html/.htaccess": "secret",
    "html/list/a.txt": "a",
    **{f"lib/{name}": CGI for name in (
        "cgi-bin/it", "munin/graph/x", "awstats/awstats.pl", "cgi-bin/nagios/status.cgi", "cgi-bin/nagios/cmd.cgi",
        "cgi-bin/mailman/listinfo", "cgi-bin/viewvc.cgi", "cgi-bin/hgweb.cgi",
    )},
    "share/munin/index.html": "munin", "share/munin/static/a.css": "css", "share/nagios/index.html": "nagios",
    "share/nagios/users": "", "share/icingaweb/index.html": "icinga", "share/awstats/icon/a.png": "icon",
    "share/pipermail/archive.txt": "mails", "share/mailman3/a.js": "js", "share/viewvc/a.css": "viewvc",
    "share/trac/trac.wsgi": WSGI, "share/trac/htdocs/a.css": "trac",
    "share/hg.users": "joe:{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM=\n",
}  # fmt: skip


def uwsgi(talk: Talk) -> None:
    """A uwsgi server that tells of the path that it was asked for."""
    size = int.from_bytes(talk.read(4)[1:3], "little")
    data, words, at = talk.read(size), [], 0
    while at < size:
        length = int.from_bytes(data[at : at + 2], "little")
        words.append(data[at + 2 : at + 2 + length].decode())
        at += 2 + length
    env = dict(zip(words[::2], words[1::2], strict=True))
    text = json.dumps([env["PATH_INFO"], env.get("HTTP_X_SCRIPT_NAME")]).encode()
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + text)


class Debian(NamedTuple):
    """A server of such a folder, and its port for HTTPS."""

    server: Server
    https: int

    def get(self, url: str) -> tuple[int, str]:
        """The status and the body of a GET of ``host/path``."""
        host, _, path = url.partition("/")
        reply = self.server.get(f"/{path}", host=host)
        return reply.status, reply.text

    def secure(self, path: str) -> str:
        """The body of a GET over TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.https, timeout=PATIENCE, context=context)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().read().decode()


def lay_out(server: Server, told: Mapping[str, object]) -> None:
    """Make the folder of its configuration, as a2enmod and a2ensite leave it."""
    etc = server.root / "apache2"
    loads = {f"{name}.load": f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in MODULES}
    texts = {"apache2.conf": MAIN, **{f"mods-available/{name}": text for name, text in loads.items()}, **PIECES}
    for name, text in texts.items():
        path = etc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in loads:
        (etc / "mods-enabled" / name).symlink_to(f"../mods-available/{name}")
    server.conf, server.arguments = etc / "apache2.conf", ("-d", str(etc))


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory, orphanage: None) -> Iterator[Debian]:
    """The server of all these."""
    root = tmp_path_factory.mktemp("debian")
    issued = Authority(root / "ca").issue("debian.test")
    server, tls, socket = Server(root, "", FILES), Port(), root / "uwsgi.sock"
    with contextlib.ExitStack() as stack:
        stack.callback(tls.release)
        behind = stack.enter_context(backend())
        stack.enter_context(backend(serve=uwsgi, path=socket))
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        told = {
            "APACHE_RUN_DIR": root / "run", "APACHE_PID_FILE": server.pid_file, "APACHE_LOG_DIR": server.logs,
            "APACHE_RUN_USER": pwd.getpwuid(os.geteuid()).pw_name,
            "APACHE_RUN_GROUP": grp.getgrgid(os.getegid()).gr_name,
            "HTTP": server.port, "HTTPS": tls.number, "BEHIND": behind.port, "SOCKET": socket,
            "HTML": server.www / "html", "SHARE": server.www / "share", "LIB": server.www / "lib",
            "MIME": root / "mime.types", "CERTIFICATE": issued.certificate, "KEY": issued.key,
        }  # fmt: skip
        for name, value in told.items():
            environment.setenv(name, str(value))
        lay_out(server, told)
        stack.enter_context(nothing_outlives())
        stack.enter_context(server)
        yield Debian(server, tls.number)


@pytest.mark.parametrize(
    ("url", "status", "body"),
    [
        ("x.test/", 200, "It works"),
        ("x.test/list/", 200, None),
        ("x.test/.htaccess", 403, None),
        ("x.test/cgi-bin/it/p", 200, "/cgi-bin/it|/p|plain"),
        ("x.test/server-status", 404, None),
        ("x.test/munin/", 200, "munin"),
        ("x.test/munin/static/a.css", 200, "css"),
        ("x.test/munin-cgi/graph/x/day", 200, "/munin-cgi/graph/x|/day|plain"),
        ("x.test/nagios/", 200, "nagios"),
        ("x.test/nagios/cgi-bin/status.cgi", 200, "/nagios/cgi-bin/status.cgi||plain"),
        ("x.test/nagios/cgi-bin/cmd.cgi", 401, None),
        ("x.test/icingaweb/any/page", 200, "icinga"),
        ("x.test/awstats-icon/a.png", 200, "icon"),
        ("x.test/cgi-bin/mailman/listinfo/a", 200, "/cgi-bin/mailman/listinfo|/a|plain"),
        ("x.test/pipermail/archive.txt", 200, "mails"),
        ("x.test/mailman3/static/a.js", 200, "js"),
        ("x.test/mailman3/lists", 200, '["//lists", null]'),
        ("x.test/viewvc/trunk/a", 200, "/viewvc|/trunk/a|plain"),
        ("x.test/viewvc-static/a.css", 200, "viewvc"),
        ("x.test/hg/project/rev", 200, "/hg|/project/rev|plain"),
        ("trac.test/wiki", 200, "/wiki None"),
        ("trac.test/login", 401, None),
        ("trac.test/chrome/a.css", 200, "trac"),
        ("graphite.test/render", 200, "/render None"),
        ("roundup.test/", 302, None),
        ("roundup.test/tracker/issue1", 200, None),
        ("radicale.test/user/calendar", 200, '["/user/calendar", "/cal"]'),
        ("radicale.test/.well-known/acme-challenge/x", 404, None),
    ],
)
def test_what_it_serves(debian: Debian, url: str, status: int, body: str | None) -> None:
    found = debian.get(url)
    assert found == (status, found[1] if body is None else body)


def test_over_tls(debian: Debian) -> None:
    assert debian.secure("/") == "It works"
    assert debian.secure("/cgi-bin/it").startswith("/cgi-bin/it||TLSv1.")


def test_who_has_a_password(debian: Debian) -> None:
    server = debian.server
    assert server.get("/login", host="trac.test", auth=("joe", "pw")).text == "/login joe"
    assert server.request("POST", "/hg/kept/push", b"").status == 401
    assert server.request("POST", "/hg/kept/push", b"", auth=("joe", "pw")).status == 200


def test_what_is_said_of_it(debian: Debian) -> None:
    told = debian.server.command("-t").stderr
    assert told.endswith("Syntax OK\n")
    warnings = [line for line in told.splitlines() if line.startswith("Warning: ")]
    expected = (
        "MPM event: worker serves", "module socache_shmcb_module", "SSLSession", "SSLRandomSeed", "display-name",
        "inactivity-timeout", "will probably never match", "ProxyPassReverse has no effect",
        "one of them ends with a slash", "SSLPassPhraseDialog", "each worker has a process of the group",
    )  # fmt: skip
    assert [line for line in warnings if not any(word in line for word in expected)] == []
