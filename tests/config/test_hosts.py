"""Which virtual host a request means: httpd 2.4 chose the same ones."""

from __future__ import annotations

import pytest

from config.conftest import LoadText, finished
from config.small import NOTE
from mpserver.cli.info import describe
from mpserver.config.configuration import Configuration
from mpserver.config.finished import Finished
from mpserver.config.host_names import normal_host, normal_ip
from mpserver.config.hosts import parse_address, split_name
from mpserver.errors import ConfigError


def host(addresses: str, note: str, *directives: str) -> str:
    return "\n".join([f"<VirtualHost {addresses}>", f"Note {note}", *directives, "</VirtualHost>\n"])


def chosen(configuration: Configuration | Finished, ip: str, port: int, name: str | None) -> str:
    """The note of the host that is found, by those who read the configuration and by those who serve."""
    found = configuration.find(ip, port, name)
    if isinstance(configuration, Configuration):
        serving = finished(configuration).find(ip, port, name)
        assert (serving.number, serving.name, serving.names, serving.port, serving.addresses) == (
            found.number,
            found.name,
            found.names,
            found.port,
            found.addresses,
        )
        assert serving.base[NOTE] == found.base[NOTE]
    notes: tuple[str, ...] = found.base[NOTE]
    return " ".join(notes) or "main"


ONE, TWO = "127.0.0.1", "127.0.0.2"

BY_NAME = (
    host("*:80", "first", "ServerName a.example", "ServerAlias *.wild.example ?.x.example x*z.example")
    + host("*:80", "second", "ServerName b.wild.example")
    + host("*:80", "third", "ServerName c.example", "ServerAlias B.example d.EXAMPLE xyz.example")
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.example", "first"),
        ("A.EXAMPLE:80", "first"),
        ("a.example.", "first"),
        ("a.example.:81", "first"),
        ("b.wild.example", "first"),  # the earlier host's wildcard before the later one's name
        ("x.y.wild.example", "first"),
        (".wild.example", "first"),
        ("wild.example", "first"),  # (by default)
        ("c.example", "third"),
        ("b.example", "third"),
        ("d.example", "third"),
        ("1.x.example", "first"),
        ("xyz.example", "first"),
        ("unknown", "first"),
        ("[::1]:80", "first"),
        (None, "first"),
    ],
)
def test_by_name(load_text: LoadText, name: str | None, expected: str) -> None:
    configuration = load_text("ServerName c.example\n" + BY_NAME)
    assert chosen(configuration, ONE, 80, name) == expected
    assert chosen(configuration, ONE, 81, name) == "main"


BY_ADDRESS = (
    host(ONE, "ip", "ServerName a")
    + host(f"{ONE}:81", "ip:81", "ServerName b")
    + host("*", "any", "ServerName c")
    + host("_default_:80", "any:80", "ServerName d")
    + host(f"{ONE}:81 {TWO} [::1]:80", "several", "ServerName e")
)


@pytest.mark.parametrize(
    ("ip", "port", "name", "expected"),
    [
        (ONE, 80, "d", "ip"),
        (ONE, 81, "e", "several"),
        (ONE, 81, "a", "ip:81"),
        (TWO, 81, None, "several"),
        ("127.0.0.3", 80, "c", "any:80"),
        ("127.0.0.3", 81, "d", "any"),
        ("::1", 80, None, "several"),
        ("::1", 81, None, "any"),
        ("::ffff:127.0.0.2", 1, None, "several"),
    ],
)
def test_by_address(load_text: LoadText, ip: str, port: int, name: str | None, expected: str) -> None:
    assert chosen(load_text(BY_ADDRESS), ip, port, name) == expected


def test_a_host_without_a_name_has_the_main_servers(load_text: LoadText) -> None:
    configuration = load_text(
        "ServerName main.example\n"
        + host("*", "first", "ServerName first")
        + host("*", "second")
        + host("*", "third", "ServerName main.example")
    )
    assert [server.name for server in configuration.hosts] == ["first", "main.example", "main.example"]
    assert chosen(configuration, ONE, 80, "main.example") == "second"


def test_a_host_on_an_address_is_not_found_by_the_main_servers_name(load_text: LoadText) -> None:
    configuration = load_text("ServerName main\n" + host(ONE, "first", "ServerName x") + host(ONE, "second"))
    assert chosen(configuration, ONE, 80, "main") == "first"


def test_the_name_in_virtualhost_counts_last(load_text: LoadText, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def resolve(name: str) -> tuple[str, ...]:
        asked.append(name)
        if name == "nowhere":
            raise OSError(2, "Name or service not known")
        return (ONE,)

    monkeypatch.setattr("mpserver.config.configuration.system_resolve", resolve)
    configuration = load_text(
        host("inside:80", "first")
        + host("other:80 inside:80", "second", "ServerName x")
        + host("outside:80", "third", "ServerName inside", "ServerName y", "ServerAlias other")
        + host("nowhere", "never", "ServerName x")
    )
    assert chosen(configuration, ONE, 80, "other") == "third"
    assert chosen(configuration, ONE, 80, "outside") == "third"
    assert chosen(configuration, ONE, 80, "inside") == "first"
    assert configuration.hosts[0].name == "inside"
    assert asked == ["inside", "other", "outside", "nowhere"]
    assert "Could not resolve host name nowhere -- ignoring!" in configuration.warnings[0]

    # an interpreter asks no name server
    again = finished(configuration)
    assert len(asked) == 4
    assert chosen(again, ONE, 80, "outside") == "third"


def test_the_same_name_twice_is_warned_of(load_text: LoadText) -> None:
    configuration = load_text(host("*", "1", "ServerName a") + host("*", "2", "ServerName A") + host("*:1", "3"))
    (warning,) = configuration.warnings
    assert "ServerName A of the VirtualHost" in warning
    assert ":5 is already that of" in warning
    assert chosen(configuration, ONE, 80, "a") == "1"


def test_one_host_with_several_addresses_of_a_set_is_no_double(load_text: LoadText) -> None:
    configuration = load_text(host("*:80 *:80 *:81", "1", "ServerName a"))
    assert configuration.warnings == []
    assert configuration.hosts[0].addresses == ("*:80", "*:80", "*:81")


def test_facts_of_servers(load_text: LoadText) -> None:
    configuration = load_text(
        "ServerName https://Main.example:8443\n"
        + host("*:80", "1", "ServerName one:81", "ServerAlias a *.b", "ServerAlias c", "DocumentRoot /one")
    )
    main, one = configuration.main, configuration.hosts[0]
    assert (main.is_virtual, main.name, main.port) == (False, "Main.example", 8443)
    assert (one.is_virtual, one.name, one.port, one.defn_line) == (True, "one", 81, 2)
    assert (one.names, one.wild_names, one.addresses) == (("a", "c"), ("*.b",), ("*:80",))
    assert one.defn_name == configuration.file
    assert not hasattr(one, "nothing")


def test_hosts_that_only_have_names_share_what_was_compiled(load_text: LoadText) -> None:
    read = load_text(BY_NAME + "<VirtualHost *>\nServerName n1\n</VirtualHost>\n<VirtualHost *>\nServerName n2\n"
                     "ServerAlias *.n3\n</VirtualHost>\n" + host("*", "own", "ServerName n4"))  # fmt: skip
    assert [node.args for node in read.hosts[-2].children()] == [("n2",), ("*.n3",)]
    configuration: Configuration | Finished
    for configuration in (read, finished(read)):
        main, (*_, first, one, two, own) = configuration.main, configuration.hosts
        for server in (one, two):
            assert (server.conf, server.base, server.sections) == (main.conf, main.base, main.sections)
        assert (one.name, two.name, two.wild_names) == ("n1", "n2", ("*.n3",))
        assert own.base[NOTE] == ("own",)
        assert main.sections not in (own.sections, first.sections)


def test_description_of_one_host_is_one_line(load_text: LoadText) -> None:
    configuration = load_text(host("*:80", "1", "ServerName a", "ServerAlias b"))
    assert describe(configuration) == (f"VirtualHost configuration:\n*:80                   a ({configuration.file}:1)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", ("a", 0)),
        ("A:80", ("A", 80)),
        ("http://a", ("a", 0)),
        ("https://a:8443", ("a", 8443)),
        ("a:80x", ("a", 80)),
        ("[::1]:80", ("[::1]", 80)),
        ("[::1]", ("[::1]", 0)),
    ],
)
def test_server_names(text: str, expected: tuple[str, int]) -> None:
    assert split_name(text) == expected


@pytest.mark.parametrize("text", ["a:", "a:x", "a:0", "a:65536", "http://a:0"])
def test_faulty_ports_of_server_names(text: str) -> None:
    with pytest.raises(ConfigError, match="outside the appropriate range"):
        split_name(text)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("*", "*:*"),
        ("*:*", "*:*"),
        ("*:80", "*:80"),
        ("_DEFAULT_:443", "*:443"),
        ("1.2.3.4", "1.2.3.4:*"),
        ("1.2.3.4:*", "1.2.3.4:*"),
        ("[0:0::1]:80", "[::1]:80"),
        ("[::FFFF:1.2.3.4]", "1.2.3.4:*"),
        ("1.2.3.256:80", "resolved 1.2.3.256:80"),
        ("host", "resolved host:*"),
        ("*:x", "resolved *:x:*"),
    ],
)
def test_addresses(word: str, expected: str) -> None:
    found = parse_address(word, lambda name: [f"resolved {name}"])
    assert [f"{a.host}:{a.port or '*'}" if a.host[:8] == "resolved" else str(a) for a in found] == [expected]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("[::1", "The address or port is invalid"),
        ("[::1]80", "The address or port is invalid"),
        ("[x]:80", "The address or port is invalid"),
        ("[fe80::1%eth0]:80", "Scope ids are not supported"),
        ("1.2.3.4:0", "The address or port is invalid"),
        ("1.2.3.4:65536", "The address or port is invalid"),
        ("80", "Missing address for VirtualHost"),
        (":80", "Missing address for VirtualHost"),
    ],
)
def test_faulty_addresses(word: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(word, lambda name: [name])
    assert caught.value.message == message


def test_normal_forms() -> None:
    assert [normal_ip(ip) for ip in ("1.2.3.4", "::1", "FE80::1%eth0", "::ffff:1.2.3.4")] == [
        "1.2.3.4",
        "::1",
        "fe80::1",
        "1.2.3.4",
    ]
    assert [normal_host(name) for name in ("A.b.:80", "a", "[::A]:80", "[::1]", "a..", "")] == [
        "a.b",
        "a",
        "[::a]",
        "[::1]",
        "a.",
        "",
    ]
