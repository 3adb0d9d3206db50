"""What a configuration says and hardly means is told by ``-t`` and the start, with its line and the remedy."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from mod_python import Session
from mod_python._sessions import options
from mpserver.cli import python_options
from support.server import Server

HANDLER = "SetHandler mod_python\nPythonHandler app"

#: A configuration, and the warning that it gets; {} is the server's folder.
MISTAKES = {
    "AddHandler mod_pyton .py": (
        "AddHandler mod_pyton: there is no handler of this name, so files are sent as they are: did you mean "
        "mod_python? (line "
    ),
    "<Location /x>\nSetHandler sever-status\n</Location>": "sent as they are: did you mean server-status? (line ",
    '<Files "*.php">\nSetHandler application/x-httpd-php\n</Files>': (
        "files are sent as they are: an Action application/x-httpd-php would be one, or it is a mistake (line "
    ),
    '<Directory "${ROOT}/wwww">\nRequire all granted\n</Directory>': (
        "<Directory {}/wwww> applies to nothing: there is no such folder: did you mean {}/www?; make it, or mend the "
        "path (line "
    ),
    '<Directory "${ROOT}/none/at/all/">\n</Directory>': (
        "<Directory {}/none/at/all/> applies to nothing: there is no such folder; make it, or mend the path (line "
    ),
    "<Directory www>\nRequire all granted\n</Directory>": (
        "<Directory www> applies to nothing: its path has to begin with /: did you mean {}/www? (line "
    ),
    "Alias /a ${ROOT}/elsewhere": "Alias /a: there is no {}/elsewhere; make it, or mend the path (line ",
    "PythonPath \"['${ROOT}/www', '${ROOT}/elsewhere', '/nowhere'] + sys.path\"": (
        "PythonPath: there is no {}/elsewhere, and no /nowhere; make it, or take it out (line "
    ),
    "PythonPath \"['${ROOT}/www']\"": (
        "PythonPath without sys.path: neither Python's own modules nor installed packages are found: write PythonPath "
        "\"['{}/www'] + sys.path\" (line "
    ),
    "<Location /x>\nAuthUserFile ${ROOT}/users\n</Location>": (
        "AuthUserFile {}/users: there is no such file, so nobody can come in: mpserver htpasswd -c FILE USER makes one "
        "(line "
    ),
    f"<Location /status>\nSetHandler server-status\n</Location>\n<Location />\n{HANDLER}\n</Location>": (
        "<Location /> sets SetHandler for all addresses, and so undoes what <Location /status> (line "
    ),
    '<Directory "${WWW}">\nSetHandler mod_python\n</Directory>\n<Location /a>\nPythonHandler app\n</Location>': (
        "<Location /a> has PythonHandler and no SetHandler: its requests mean no file, so what a <Directory> sets does "
        "not count, and the answer is 404: add SetHandler mod_python (line "
    ),
    "PythonOption mod_python.session.session_typ FileSession": (
        "PythonOption mod_python.session.session_typ: nothing reads an option of this name: did you mean "
        "mod_python.session.session_type? (line "
    ),
    "PythonOption mod_python.session.session_type FilesSession": (
        "PythonOption mod_python.session.session_type FilesSession: there is no such class of sessions: did you mean "
        "FileSession? (line "
    ),
    "PythonOption mod_python.file_session.database_directory ${ROOT}/sessions": (
        "PythonOption mod_python.file_session.database_directory {}/sessions: there is no such folder, so no session "
        "can be kept: make it, for the account of User (line "
    ),
    f'DocumentRoot "${{WWW}}"\n<Directory "${{WWW}}">\nRequire all denied\n</Directory>\n<Location /a>\n{HANDLER}\n'
    "</Location>": (
        "<Location /a> has Python handlers, so its requests mean no file, and no <Directory> counts for them: Require "
        "all denied of <Directory {}/www> (line "
    ),
    f'DocumentRoot "${{WWW}}"\n<Directory "${{WWW}}">\n<RequireAny>\nRequire ip 10.0.0.0/8\nRequire local\n'
    f"</RequireAny>\n</Directory>\n<Location /a>\n{HANDLER}\n</Location>": (
        "<Location /a> has Python handlers, so its requests mean no file, and no <Directory> counts for them: "
        "RequireAny of <Directory {}/www> (line "
    ),
    f'DocumentRoot "${{WWW}}"\n<Directory "${{ROOT}}">\nPythonOption session.kind "x y"\nPythonDebug On\n</Directory>\n'
    f"<Location /a/b>\n{HANDLER}\nPythonOption Session.Kind z\n</Location>": (
        "<Location /a/b> has Python handlers, so its requests mean no file, and no <Directory> counts for them: "
        "PythonDebug On of <Directory {}> (line "
    ),
}
HTTPS = "Listen 127.0.0.1:9 https"
NO_HTTPS = "Listen 9 https: no server speaks HTTPS, for none has SSLEngine: add SSLEngine On, and SSLCertificateFile"

#: What looks like these, and is meant so.
MEANT = f"""
Action mine /mine.py
AddHandler mine .mine
AddHandler python-program .py
SetHandler none
<Files "*.psp">
    SetHandler proxy:unix:/run/php.sock|fcgi://localhost
</Files>
<Directory "${{WWW}}">
    SetHandler mod_python
</Directory>
<Directory "/srv/*/nothing">
    SetHandler default-handler
</Directory>
<Directory ~ "nothing">
    SetHandler default-handler
</Directory>
<DirectoryMatch "^/nothing">
    SetHandler "%{{ENV:HANDLER}}"
</DirectoryMatch>
<Location />
    {HANDLER}
</Location>
<Location /status>
    SetHandler server-status
</Location>
<Location /status/of>
    PythonHandler app
</Location>
DocumentRoot "${{WWW}}"
<Directory />
    Require all denied
</Directory>
<Directory "${{WWW}}">
    Require all granted
    PythonDebug Off
</Directory>
<Directory "${{ROOT}}">
    Require ip 127.0.0.1
</Directory>
<Location />
    Require all granted
</Location>
PythonOption mod_python.session.session_type FileSession
PythonOption mod_python.session.database_directory "${{WWW}}"
PythonOption mod_python.mine.colour red
PythonOption session_typ red
PythonPath "__import__('sys').path + sys.path + ['zip', '', server_root() + '/nowhere']"
Alias /a ${{WWW}}
AliasMatch ^/b(.*) /nowhere/$1
"""


def told(folder: Path, conf: str, *words: str) -> str:
    """What ``-t`` says of a configuration that is taken."""
    with contextlib.closing(Server(folder, conf + "\n", {"app.py": ""})) as server:
        return server.command("-t", *words).stderr


def test_each_is_told_with_line_and_remedy(tmp_path: Path) -> None:
    hosts = [f"<VirtualHost *>\nServerName h{i}\n{conf}\n</VirtualHost>" for i, conf in enumerate(MISTAKES)]
    conf = "\n".join([HTTPS, *hosts])
    warnings = [line for line in told(tmp_path, conf).splitlines() if "Warning: " in line]
    wanted = [said.replace("{}", str(tmp_path)) for said in (*MISTAKES.values(), NO_HTTPS)]
    assert [said for said in wanted if not any(said in line for line in warnings)] == []
    assert len(warnings) == len(wanted)
    assert told(tmp_path, conf, "-T") == "Syntax OK\n"  # (as for whatever else -T does not look at)


def test_a_certificate_in_a_host_that_speaks_no_tls(tmp_path: Path) -> None:
    host = "<VirtualHost *:9>\nServerName www.example.com\nSSLCertificateFile auto\n{}\n</VirtualHost>"
    said = told(tmp_path / "plain", "Listen 127.0.0.1:9\n" + host.format(""))
    assert (
        "Warning: SSLCertificateFile in a host without SSLEngine, which therefore speaks HTTP, and no HTTPS: add"
        in said
    )
    assert "SSLEngine On (line " in said
    for number, meant in enumerate((host.format("SSLEngine On"), host.format("SSLEngine Off"))):
        assert told(tmp_path / f"meant{number}", "Listen 127.0.0.1:9\n" + meant) == "Syntax OK\n"
    assert told(tmp_path / "https", "Listen 127.0.0.1:9 https\n" + host.format("")) == "Syntax OK\n"


def test_a_redirect_to_https_that_leads_round(tmp_path: Path) -> None:
    inner = "Redirect permanent / https://www.example.com/"
    host = "<VirtualHost *:9>\nServerName www.example.com\nSSLEngine on\nSSLCertificateFile auto\n</VirtualHost>"
    said = told(tmp_path / "outside", f"{inner}\n{host}")
    assert f"Warning: {inner.replace('permanent ', '')} holds in the host that it leads to (" in said
    assert "too, and so leads round in a circle: put it into a <VirtualHost *:80> (line " in said
    meant = f"<VirtualHost *:8>\nServerName www.example.com\n{inner}\n</VirtualHost>\n{host}"
    assert told(tmp_path / "inside", meant) == "Syntax OK\n"
    other = inner.replace("www", "other")
    assert "circle" not in told(tmp_path / "other", f"{other}\n{host}")


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ("Listen 0.0.0.0:9", "port 9"),
        ("Listen 9", "port 9"),
        ("Listen [::]:9", "port 9"),
        ("Listen 192.0.2.1:9 https\nSSLEngine On\nSSLCertificateFile auto", "port 9"),
        ("Listen localhost:9\nListen [::1]:8\nListen 127.1.2.3:7\nListen unix:run/own.sock", ""),
    ],
)
def test_errors_that_others_are_shown(tmp_path: Path, lines: str, where: str) -> None:
    said = told(tmp_path, f"{lines}\n<Location /a>\nPythonDebug On\n</Location>")
    text = f"PythonDebug On shows source code and variables to everybody who reaches {where} of this machine: switch it"
    assert (text in said) == bool(where)
    assert told(tmp_path, f"{lines}\nPythonDebug Off") == "Syntax OK\n"


def test_the_options_that_sessions_read_are_known() -> None:
    tuples = [value for value in vars(options).values() if isinstance(value, tuple)]
    read = {name for names in tuples for name in names if isinstance(name, str) and name.startswith("mod_python.")}
    assert len(read) > 12
    assert read | {options.REDIS + name for name in options.Redis._fields} <= python_options.NAMES
    assert all(hasattr(Session, name) for name in python_options.TYPES)


def test_what_is_meant_so_is_not_told_of(tmp_path: Path) -> None:
    assert told(tmp_path, MEANT) == "Syntax OK\n"


def test_the_start_tells_it_in_the_log(tmp_path: Path) -> None:
    with Server(tmp_path, "AddHandler mod_pyton .py\n") as server:
        assert server.get("/").status in (200, 403, 404)
        assert "[core:warn]" in server.log()
        assert "AddHandler mod_pyton: there is no handler of this name" in server.log()
        assert "Warning: AddHandler mod_pyton: there is no handler of this name" in server.said()


def test_files_that_a_start_could_not_write_are_told_of(tmp_path: Path) -> None:
    named = (
        "PidFile run/mpserver.pid\nErrorLog logs/error.log\nCustomLog more/access.log common\nCustomLog |cat common\n"
    )
    said = told(tmp_path, named)
    for what, file in (("PidFile", "run/mpserver.pid"), ("the log", "logs/error.log"), ("the log", "more/access.log")):
        folder = tmp_path / file.partition("/")[0]
        wanted = f"Warning: {what} {tmp_path / file} can't be written: there is no folder {folder}; make it"
        assert (wanted in said) == (not folder.exists())
