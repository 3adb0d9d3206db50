"""All modules together, through the configuration's own road: files in, merged settings out."""

from __future__ import annotations

from pathlib import Path

import pytest

from modules.requirements import check_access, check_authorization
from mpserver.config.configuration import Configuration, load
from mpserver.config.finished import Finished
from mpserver.config.htaccess import HtaccessCache
from mpserver.config.sections import merge
from mpserver.config.settings import Conf
from mpserver.errors import ConfigErrors
from mpserver.modules import alias, auth_basic, authz_core, core, mime, mpm, python, values
from mpserver.modules import dir as directories
from mpserver.modules.all import registry
from mpserver.modules.log_config import hooks as log_hooks
from mpserver.modules.mime import hooks as mime_hooks
from mpserver.phases.survey import finish

CONFIG = """\
ServerRoot {root}
ServerName main.example
ServerAdmin root@main.example
Listen 127.0.0.1:8080
LoadModule mpm_prefork_module modules/mod_mpm_prefork.so
LoadModule python_module modules/mod_python.so
<IfModule mod_alias.c>
  Alias /doc {root}/doc
</IfModule>
<IfModule mod_nothing.c>
  Nonsense here
</IfModule>
DocumentRoot {root}
Timeout 30
KeepAliveTimeout 500ms
LogFormat "%h %s" short
CustomLog logs/access short
ErrorLog logs/error
LogLevel warn python:debug
StartServers 2
Mutex default
AddHandler mod_python .py
DirectoryIndex index.py
PythonOption level server
PythonHandler serverwide
ErrorDocument 404 /missing.html
<Directory />
  Require all denied
  AllowOverride None
</Directory>
<Directory {root}>
  Require all granted
  AllowOverride FileInfo AuthConfig
  PythonOption level directory
  PythonHandler a::b | .py
  PythonDebug On
</Directory>
<DirectoryMatch /private/>
  AuthType Basic
  AuthName "the private part"
  Require user joe
</DirectoryMatch>
<Location /status>
  SetHandler mod_python
  PythonHandler mod_python.testhandler
  PythonInterpreter main_interpreter
</Location>
<VirtualHost *:8080>
  ServerName other.example
  ServerAlias www.other.example
  CustomLog logs/other short
  Alias /doc {root}/other
  PythonInterpBackend process
  DirectoryIndex start.html
</VirtualHost>
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("private", "sub", "doc", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "httpd.conf").write_text(CONFIG.format(root=tmp_path))
    (tmp_path / "sub" / ".htaccess").write_text(
        "AddHandler other .py\nPythonOption level htaccess\nPythonHandler local\nErrorDocument 404 default\n"
    )
    return tmp_path


UNKNOWN = "misspelled or defined by a module not included in the server configuration"


def read(root: Path) -> Configuration:
    return load("httpd.conf", registry(), root=str(root))


def for_file(configuration: Configuration | Finished, host: str, root: Path, path: str) -> Conf:
    """The directory level for a file below the root."""
    chain = ["/"]
    for part in [*root.parts[1:], *path.split("/")[:-1]]:
        chain.append(chain[-1] + part + "/")
    server = configuration.find("127.0.0.1", 8080, host)
    return merge(server, "/" + path, chain, HtaccessCache(configuration), path.rpartition("/")[2])


def test_the_servers(root: Path) -> None:
    configuration = read(root)
    assert configuration.warnings == []
    main, (host,) = configuration.main, configuration.hosts
    assert values.check([main.own_conf, host.own_conf]) == []
    assert main.conf[core.LISTEN] == (core.Listen("127.0.0.1", 8080, "http"),)
    assert (main.conf[core.TIMEOUT], host.conf[core.KEEP_ALIVE_TIMEOUT]) == (30.0, 0.5)
    assert mpm.limits(main.conf).start == 2
    assert core.document_root(host.conf) == str(root)
    assert core.error_log(host.conf) == f"{root}/logs/error"
    assert [log.target for log in log_hooks.access_logs(main.conf)] == [f"{root}/logs/access"]
    assert [log.target for log in log_hooks.access_logs(host.conf)] == [f"{root}/logs/other"]
    assert alias.translate("/doc/x", main.conf) == (f"{root}/doc/x", False)
    assert alias.translate("/doc/x", host.conf) == (f"{root}/other/x", False)
    assert python.options(main.conf, python.SERVER_OPTIONS) == {"level": "server"}


def test_a_file(root: Path) -> None:
    conf = for_file(read(root), "main.example", root, "x.py")
    assert check_access(conf) == 0
    assert mime_hooks.find("x.py", conf).handler == "mod_python"
    assert python.options(conf) == {"level": "directory"}
    assert conf[python.HANDLERS]["PythonHandler"] == (python.HandlerSpec("a::b", f"{root}/", extensions=(".py",)),)
    assert conf[core.ERROR_DOCUMENT] == {404: "/missing.html"}
    assert core.log_level(conf, "python") == 7


def test_a_file_below_htaccess(root: Path) -> None:
    conf = for_file(read(root), "main.example", root, "sub/x.py")
    assert mime_hooks.find("x.py", conf).handler == "other"
    assert python.options(conf) == {"level": "htaccess"}
    assert conf[python.HANDLERS]["PythonHandler"] == (python.HandlerSpec("local", f"{root}/sub/"),)
    assert conf[core.ERROR_DOCUMENT] == {404: ""}
    assert conf[python.PYTHON_DEBUG]


def test_outside_of_the_root_and_the_private_part(root: Path) -> None:
    configuration = read(root)
    assert check_access(merge(configuration.main, "/x", ["/", "/etc/"], None, "x")) == 403
    conf = for_file(configuration, "main.example", root, "private/x")
    assert check_access(conf) == -1
    assert check_authorization(conf, "joe") == 0
    assert check_authorization(conf, "eve") == 401
    assert auth_basic.challenge(conf) == 'Basic realm="the private part"'


def test_a_location_and_a_virtual_host(root: Path) -> None:
    conf = for_file(read(root), "www.other.example", root, "status")
    assert conf[core.SET_HANDLER] == "mod_python"
    assert conf[python.HANDLERS]["PythonHandler"] == (
        python.HandlerSpec("mod_python.testhandler", "/status", is_location=True),
    )
    assert conf[python.PYTHON_INTERPRETER] == "main_interpreter"
    assert conf[python.INTERP_BACKEND] == "process"
    assert conf[directories.DIRECTORY_INDEX] == ("start.html",)


def test_the_same_after_crossing_to_an_interpreter(root: Path) -> None:
    here = read(root)
    there = finish(here)
    for host in ("main.example", "other.example"):
        for path in ("x.py", "sub/x.py", "status"):
            one, other = for_file(here, host, root, path), for_file(there, host, root, path)
            assert one[python.HANDLERS] == other[python.HANDLERS]
            assert one[authz_core.REQUIRE] == other[authz_core.REQUIRE]
            assert one[core.ERROR_DOCUMENT] == other[core.ERROR_DOCUMENT]
            assert one[mime.ADD_HANDLER] == other[mime.ADD_HANDLER]


def test_every_fault_is_told_with_its_line(root: Path) -> None:
    (root / "httpd.conf").write_text(
        "Listen foo\nTimeout x\n<Directory />\nRequire nobody\nPythonImport a b\n</Directory>\nPythonHandle x\n"
    )
    with pytest.raises(ConfigErrors) as caught:
        read(root)
    assert [(error.line, error.message.partition(":")[0]) for error in caught.value.errors] == [
        (1, "Port must be specified"),
        (2, "Timeout has wrong format"),
        (4, "Unknown Authz provider"),
        (5, "PythonImport not allowed in <Directory> context"),
        (7, f"Invalid command 'PythonHandle', perhaps {UNKNOWN}"),
    ]


def test_variables_may_hold_several_words(root: Path) -> None:
    (root / "httpd.conf").write_text(
        'Define ADMINS "joe eve"\n<Directory />\nRequire user ${ADMINS}\nPythonHandler ${HANDLERS}\n</Directory>\n'
        "DirectoryIndex ${ADMINS}\n"
    )
    configuration = load("httpd.conf", registry(), root=str(root), defines={"HANDLERS": "a b | .py"})
    conf = merge(configuration.main, "/", ["/"], None, "")
    assert conf[authz_core.REQUIRE].texts == ("user joe eve",)
    assert conf[directories.DIRECTORY_INDEX] == ("joe", "eve")
    assert [spec.handler for spec in conf[python.HANDLERS]["PythonHandler"]] == ["a", "b"]
