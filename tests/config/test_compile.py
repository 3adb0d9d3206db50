"""Loading, merging main server and hosts, and what crosses to other interpreters."""

from __future__ import annotations

import marshal
from pathlib import Path

import pytest

from config.conftest import LoadText, finished
from config.small import KEEP_ALIVE, NOTE, ROOT, small_registry
from mpserver.config import foreign_directives
from mpserver.config.configuration import Configuration, load
from mpserver.config.finished import Finished
from mpserver.config.finishing import write
from mpserver.config.registry import Args, Directive, Module, Registry, Where
from mpserver.config.sections import merge
from mpserver.config.tree import from_plain, to_plain
from mpserver.errors import ConfigError, ConfigErrors
from mpserver.modules.all import registry as all_modules

TEXT = """
ServerName main
DocumentRoot /main
Note base
<Directory /a>
    Note a
</Directory>
<VirtualHost *:80>
    ServerName one
    KeepAlive Off
    Note one
    <Directory /a>
        Note one-a
        <Files *.py>
            Note one-py
        </Files>
    </Directory>
</VirtualHost>
<VirtualHost *:80>
    ServerName two
    DocumentRoot /two
</VirtualHost>
Note late
"""


def test_levels_and_their_merging(load_text: LoadText) -> None:
    configuration = load_text(TEXT)
    main, (one, two) = configuration.main, configuration.hosts
    assert [server.conf[ROOT] for server in (main, one, two)] == ["/main", "/main", "/two"]
    assert [server.conf[KEEP_ALIVE] for server in (main, one, two)] == [True, False, True]
    assert [server.base[NOTE] for server in (main, one, two)] == [
        ("base", "late"),
        ("base", "late", "one"),
        ("base", "late"),
    ]
    assert [ROOT in server.own_conf for server in (main, one, two)] == [True, False, True]
    assert one.own_base[NOTE] == ("one",)


def check_same(one: Configuration, other: Configuration | Finished) -> None:
    for left, right in zip((one.main, *one.hosts), (other.main, *other.hosts), strict=True):
        assert (left.name, left.names, left.addresses, left.defn_line) == (
            right.name,
            right.names,
            right.addresses,
            right.defn_line,
        )
        for name in ("x.py", "x.txt"):
            found = [merge(s, "/", ("/", "/a/"), None, name)[NOTE] for s in (left, right)]
            assert found[0] == found[1]
        assert left.conf[ROOT] == right.conf[ROOT]
        assert left.conf[KEEP_ALIVE] == right.conf[KEEP_ALIVE]
    assert one.tree == other.tree
    assert (one.root, one.file, one.defines) == (other.root, other.file, other.defines)


def test_another_interpreter_has_the_same(load_text: LoadText) -> None:
    configuration = load_text("Define NAME value\n" + TEXT)
    there = finished(configuration)
    check_same(configuration, there)
    assert there.time == configuration.time
    assert there.variables == {"NAME": "value"}
    assert (there.loaded, there.mpm) == (configuration.loaded, configuration.mpm)
    # ... and hands the same on
    check_same(configuration, Finished(there.fd, small_registry))
    there.close()


def test_the_tree_survives_marshal(load_text: LoadText) -> None:
    configuration = load_text(TEXT + 'Note "\udcff" ü\n'.encode("utf-8", "surrogateescape").decode("latin-1"))
    plain = marshal.loads(marshal.dumps(to_plain(configuration.tree)))
    tree = from_plain(plain)
    assert tree == configuration.tree
    check_same(
        configuration,
        Configuration(tree, small_registry(), configuration.root, configuration.defines, configuration.file),
    )


def test_what_was_compiled_is_not_compiled_again(load_text: LoadText) -> None:
    compiled = []
    registry = small_registry()
    spy = Directive("Spy", Args.TAKE1, Where.VHOST, lambda call: compiled.append(call.args[0]))
    text = "".join(f"<VirtualHost *>\nServerName {n}\nSpy {n}\n</VirtualHost>\n" for n in "abc")
    spied = Registry((*registry.modules, Module("mod_spy.c", "spy_module", (spy,))))
    main = load_text("")  # (for its folder)
    Path(main.file).write_text(text)
    read = load(main.file, spied, root="/")
    assert compiled == ["a", "b", "c"]

    def directives() -> Registry:
        raise AssertionError("nobody reads a .htaccess file")

    there = Finished(write(read), directives)
    found = there.find("127.0.0.1", 80, "b")
    assert found is there.find("127.0.0.1", 80, "b")
    assert found.name == "b"
    assert not found.conf[ROOT]
    assert not found.base[NOTE]
    assert compiled == ["a", "b", "c"]


def test_errors_of_all_parts_come_in_their_order(load_text: LoadText) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load_text("One\n<VirtualHost *>\nTwo\n</VirtualHost>\nThree\n<Directory /x>\nNote\n</Directory>\n</x>\n")
    assert [error.line for error in caught.value.errors] == [1, 3, 5, 9]
    first = caught.value.errors[0]
    assert str(first) == (
        f"Syntax error on line 1 of {first.file}:\n"
        "Invalid command 'One', perhaps misspelled or defined by a module not included in the server configuration"
    )


#: Directives of modules that are not here, and the modules.
FOREIGN = {
    "AuthLDAPURL ldap://x": "mod_authnz_ldap", "LDAPTrustedMode TLS": "mod_ldap",
    "AuthFormProvider file": "mod_auth_form", "AuthDBDUserPWQuery x": "mod_authn_dbd",
    "AuthzDBDQuery x": "mod_authz_dbd", "ShibRequestSetting x 1": "mod_shib",
    "OIDCProviderMetadataURL x": "mod_auth_openidc", "MellonEnable auth": "mod_auth_mellon",
    "SessionMaxAge 9": "mod_session", "DBDriver pgsql": "mod_dbd", "CacheEnable disk /": "mod_cache",
    "Dav On": "mod_dav", "H2Direct on": "mod_http2", "FcgidIOTimeout 9": "mod_fcgid",
    "FastCgiServer /x": "mod_fastcgi", "php_value a 1": "mod_php", "php_admin_flag a On": "mod_php",
    "PerlResponseHandler X": "mod_perl", "LuaRoot /x": "mod_lua", "PassengerRoot /x": "mod_passenger",
    "Substitute s/a/b/": "mod_substitute", "ExtFilterDefine x": "mod_ext_filter",
    "CharsetSourceEnc x": "mod_charset_lite", "ProxyHTMLEnable On": "mod_proxy_html",
    "xml2EncDefault x": "mod_xml2enc", "AllowMethods GET": "mod_allowmethods", "SecRuleEngine On": "mod_security",
    "QS_ClientEntries 9": "mod_qos", "DOSPageCount 2": "mod_evasive", "GeoIPEnable On": "mod_geoip",
    "MaxMindDBEnable On": "mod_maxminddb", "GssapiUseSessions On": "mod_auth_gssapi",
    "KrbMethodNegotiate On": "mod_auth_kerb", "TKTAuthToken a": "mod_auth_pubtkt", "AuthPAM_Enabled On": "mod_auth_pam",
    "AuthCASServer x": "mod_auth_cas", "CASLoginURL x": "mod_auth_cas", "AuthExternal x": "mod_authnz_external",
    "DefineExternalAuth x y": "mod_authnz_external", "AuthzSVNAccessFile x": "mod_authz_svn",
    "SVNPath /x": "mod_dav_svn",
    "XSendFile On": "mod_xsendfile", "JkMount /x y": "mod_jk", "ProxyFtpDirCharset x": "mod_proxy_ftp",
    "ProxySCGISendfile On": "mod_proxy_scgi", "ProxyExpressEnable On": "mod_proxy_express",
    "uWSGISocket x": "mod_uwsgi", "SCGIMount /x y": "mod_scgi", "RailsEnv x": "mod_passenger",
    "MonoServerPath x": "mod_mono", "PageSpeed On": "mod_pagespeed", "ModPagespeed On": "mod_pagespeed",
    "RateLimitX 1": "mod_ratelimit", "BufferSize 1": "mod_buffer", "<Perl>\n</Perl>": "mod_perl",
}  # fmt: skip


def test_directives_of_modules_that_are_not_here_name_these_and_a_remedy(tmp_path: Path) -> None:
    conf = tmp_path / "httpd.conf"
    conf.write_text("\n".join([*FOREIGN, "CacheNegotiatedDoc On"]))
    with pytest.raises(ConfigErrors) as caught:
        load(str(conf), all_modules(), root=str(tmp_path), defines={})
    *said, misspelled = [str(error) for error in caught.value.errors]
    wrong = [
        (line, text)
        for line, module, text in zip(FOREIGN, FOREIGN.values(), said, strict=True)
        if f": it is known to httpd's {module}, which is not part of this server: " not in text
    ]
    assert wrong == []
    assert set(FOREIGN.values()) == {module for _start, module, _instead in foreign_directives.STARTS}
    assert misspelled.endswith(": did you mean CacheNegotiatedDocs?")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"Could not open configuration file .*/none.conf: No such file"):
        load("none.conf", small_registry(), root=str(tmp_path))
    with pytest.raises(ConfigErrors, match="not a regular file"):
        load(str(tmp_path), small_registry(), root="/")
    assert load("/dev/null", small_registry(), root="/").hosts == ()


def test_bytes_that_are_not_utf8_survive(tmp_path: Path) -> None:
    file = tmp_path / "x.conf"
    file.write_bytes(b"DocumentRoot /\xff\n")
    root = load(str(file), small_registry(), root="/").main.conf[ROOT]
    assert root.encode("utf-8", "surrogateescape") == b"/\xff"


def test_directives_of_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "x.conf"
    file.write_text("Note ${WHERE}\n<IfDefine GIVEN>\nNote given\n</IfDefine>\n")
    configuration = load(
        str(file),
        small_registry(),
        root="/",
        defines={"GIVEN": ""},
        before=["Define WHERE here", "Note before"],
        after=["<Directory /srv>", "Note x", "</Directory>", "Note after"],
    )
    assert configuration.main.base[NOTE] == ("before", "here", "given", "after")
    assert configuration.defines == {"GIVEN": "", "WHERE": "here"}
    with pytest.raises(ConfigErrors) as caught:
        load(str(file), small_registry(), root="/", before=["Nothing"], after=["</Files>"])
    assert [(error.file, error.line) for error in caught.value.errors] == [
        ("-c/-C directives", 1),
        ("-c/-C directives", 1),
    ]


def test_the_server_root_counts_from_where_it_stands(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.conf").write_text(f"Note {name}\n")
    file = tmp_path / "httpd.conf"
    file.write_text(f"Include x.conf\nServerRoot {tmp_path}/b\nInclude x.conf\nIncludeOptional *.conf\n")
    configuration = load(str(file), small_registry(), root=str(tmp_path / "a"))
    assert configuration.main.base[NOTE] == ("a", "b", "b")
    assert configuration.root == f"{tmp_path}/b"


def test_modules_are_built_in(load_text: LoadText) -> None:
    configuration = load_text("LoadModule shapes_module a.so\nLoadModule shapes_module b.so\n")
    assert configuration.loaded == ("shapes_module",)
    assert "AH01574: module shapes_module is already loaded, skipping" in configuration.warnings[0]
    with pytest.raises(ConfigErrors, match="Can't locate API module structure `php_module' in file"):
        load_text("LoadModule php_module x.so\n")


def test_files_that_include_each_other_are_refused_at_once(load_text: LoadText, tmp_path: Path) -> None:
    (tmp_path / "twice.conf").write_text("Include httpd.conf\n" * 10)
    with pytest.raises(ConfigErrors) as caught:
        load_text("Include twice.conf\nInclude twice.conf\n")
    assert [error.line for error in caught.value.errors] == list(range(1, 11))
    assert "is included by itself" in caught.value.errors[0].message


def test_a_long_chain_of_includes_is_refused(load_text: LoadText, tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number}.conf").write_text(f"Include {number + 1}.conf\n")
    with pytest.raises(ConfigErrors, match="Exceeded maximum include depth of 128"):
        load_text("Include 0.conf\n")


def test_a_directory_that_contains_itself_is_refused(load_text: LoadText, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "loop").symlink_to(folder)
    with pytest.raises(ConfigErrors, match="include directory nesting level of 20"):
        load_text("Include folder\n")


def test_a_directive_that_needs_an_action_of_the_master_can_warn(load_text: LoadText) -> None:
    configuration = load_text("<Files x>\nAllowOverride All\n</Files>\n")
    assert configuration.warnings == [f"AH00114: Useless use of AllowOverride (line 2 of {configuration.file})"]


def test_the_registry_refuses_doubles() -> None:
    module = small_registry().modules[0]
    with pytest.raises(ValueError, match="ServerName is registered twice"):
        Registry((module, module))


def test_a_fault_without_a_place_gets_the_directives() -> None:
    error = ConfigError("wrong").at("file", 3).at("other", 4)
    assert (error.file, error.line) == ("file", 3)
