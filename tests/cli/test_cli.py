"""The command: options as httpd has them, what they print, and exit statuses."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mpserver.cli import completion, option_table
from mpserver.cli import options as options_module
from mpserver.errors import UsageError
from mpserver.version import HTTPD_VERSION, VERSION

ROOT = Path(__file__).resolve().parent.parent.parent

CONF = """
ServerName localhost
Listen 127.0.0.1:9
User root
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "httpd.conf"
    path.write_text(CONF)
    return path


def mpserver(*arguments: str, cwd: Path = ROOT) -> tuple[int, str, str]:
    """Run the command. :returns: status, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "mpserver", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout, done.stderr


# ---- the command line


def test_without_options_the_default_configuration_is_started() -> None:
    options = options_module.parse([])
    assert (options.file, options.root, options.command) == (
        "/etc/mpserver/httpd.conf",
        "/etc/mpserver",
        "start",
    )
    assert options.checks
    assert not options.test
    assert not options.one_process


def test_options_are_understood_joined_and_apart(tmp_path: Path) -> None:
    options = options_module.parse(
        ["-DONE", "-D", "TWO", "-C", "User x", "-cTimeout 5", "-d", str(tmp_path), "-fx.conf"]
    )
    assert options.defines == {"ONE": "", "TWO": ""}
    assert options.before == (f'ServerRoot "{tmp_path}"', "User x")
    assert options.after == ("Timeout 5",)
    assert options.file == f"{tmp_path}/x.conf"


@pytest.mark.parametrize(
    ("arguments", "test", "defines"),
    [
        (["-t"], True, []),
        (["-S"], True, ["DUMP_RUN_CFG", "DUMP_VHOSTS"]),
        (["-M"], True, ["DUMP_MODULES"]),
        (["-X"], False, ["DEBUG"]),
    ],
)
def test_shortcuts(arguments: list[str], test: bool, defines: list[str]) -> None:
    options = options_module.parse(arguments)
    assert (options.test, sorted(options.defines)) == (test, defines)


@pytest.mark.parametrize("arguments", [["-X"], ["-DONE_PROCESS"], ["-D", "DEBUG"]])
def test_one_process_is_asked_for_in_several_ways(arguments: list[str]) -> None:
    assert options_module.parse(arguments).one_process


def test_without_d_the_folder_of_the_file_is_the_root(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(conf.parent.parent)
    options = options_module.parse(["-f", f"{conf.parent.name}/httpd.conf"])
    assert (options.file, options.root) == (str(conf), str(conf.parent))


@pytest.mark.parametrize(
    "arguments", [["-Z"], ["-k", "begin"], ["-e", "loud"], ["-t", "more"], ["-f"], ["--stacks", ""]]
)
def test_what_is_not_understood_is_told_without_all_of_the_help(arguments: list[str]) -> None:
    status, out, error = mpserver(*arguments)
    assert status == 1
    assert out == ""
    told, remedy = error.splitlines()
    assert told.startswith("mpserver: illegal ")
    assert remedy == "mpserver --help lists the options and commands."


# ---- what needs no server


def test_syntax_ok(conf: Path) -> None:
    assert mpserver("-t", "-f", str(conf)) == (0, "", "Syntax OK\n")


def test_every_fault_is_told_with_its_place(conf: Path) -> None:
    conf.write_text(CONF + "Foo bar\nKeepAlive maybe\n")
    status, out, error = mpserver("-t", "-f", str(conf))
    assert (status, out) == (1, "")
    assert error == (
        f"AH00526: Syntax error on line 5 of {conf}:\n"
        "Invalid command 'Foo', perhaps misspelled or defined by a module not included in the server configuration\n"
        f"AH00526: Syntax error on line 6 of {conf}:\n"
        "KeepAlive must be On or Off\n"
    )


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    status, _, error = mpserver("-t", "-f", str(tmp_path / "missing.conf"))
    assert status == 1
    assert error.startswith(f"mpserver: Could not open configuration file {tmp_path}/missing.conf: No such file")


def test_directives_of_the_command_line_come_before_and_after(conf: Path) -> None:
    status, out, _ = mpserver("-S", "-f", str(conf), "-C", "Define WHERE x", "-c", "PidFile ${WHERE}.pid")
    assert status == 0
    assert f'PidFile: "{conf.parent}/x.pid"' in out


def test_checks_of_the_machine_are_skipped_with_T(conf: Path) -> None:
    conf.write_text(CONF + "DocumentRoot missing\n")
    status, _, error = mpserver("-t", "-f", str(conf))
    assert status == 1
    assert f"line 5 of {conf}" in error
    assert "DocumentRoot" in error
    assert mpserver("-t", "-T", "-f", str(conf))[0] == 0


def test_messages_of_the_start_go_to_a_file(conf: Path, tmp_path: Path) -> None:
    assert mpserver("-t", "-f", str(conf), "-E", str(tmp_path / "start.log")) == (0, "", "")
    assert (tmp_path / "start.log").read_text() == "Syntax OK\n"


def test_virtual_hosts_and_settings_are_shown(conf: Path) -> None:
    host = "<VirtualHost *:8080>\nServerName www.example.org\nServerAlias a.example.org\n</VirtualHost>\n"
    conf.write_text(CONF + host)
    status, out, _ = mpserver("-S", "-f", str(conf))
    assert status == 0
    assert out.startswith("VirtualHost configuration:\n*:8080 ")
    assert f"www.example.org ({conf}:5)" in out
    assert f'\nServerRoot: "{conf.parent}"\n' in out
    assert f'\nPidFile: "{conf.parent}/logs/mpserver.pid"\n' in out


def test_version() -> None:
    assert mpserver("-v") == (
        0,
        f"Server version: Apache/2.4.62 compatible mpserver/{VERSION}\nPython:         {sys.version.split()[0]}\n",
        "",
    )


def test_installers_read_a_version_of_httpd(tmp_path: Path) -> None:
    """With their own expressions; and it is the version that IfVersion and httpdconf go by."""
    _, out, _ = mpserver("-v")
    httpd = ".".join(map(str, HTTPD_VERSION))
    numbers = r"(\d+\.\d+\.\d+)"
    expressions = ("Apache/([0-9.]*)", f"^Server version: Apache/{numbers}", f"^Server version: [^/]*/{numbers} ")
    found = {re.search(expression, out, re.MULTILINE) for expression in expressions}
    assert {match[1] if match else None for match in found} == {httpd}
    assert out.split()[2].split("/")[1] == httpd  # (what configure scripts do with awk)
    conf = tmp_path / "version.conf"
    for operator, status in (("!=", 0), ("=", 1)):
        conf.write_text(f"{CONF}<IfVersion {operator} {httpd}>\n    NoSuchDirective\n</IfVersion>\n")
        assert mpserver("-t", "-f", str(conf))[0] == status


def test_settings_name_the_defaults() -> None:
    status, out, _ = mpserver("-V")
    assert status == 0
    assert ' -D HTTPD_ROOT="/etc/mpserver"\n -D SERVER_CONFIG_FILE="httpd.conf"\n' in out


def test_modules_are_listed_built_in_and_loaded(conf: Path) -> None:
    assert "\n  mod_alias.c\n" in mpserver("-l")[1]
    assert re.search(r"\n python_module \(static\)$", mpserver("-M", "-f", str(conf))[1], re.MULTILINE)


def test_directives_are_listed_with_contexts() -> None:
    status, out, _ = mpserver("-L")
    assert status == 0
    entry = re.search(r"^PythonHandler \(mod_python\.c\)\n\t.*\n\tAllowed in (.*)\n(\t.*)$", out, re.MULTILINE)
    assert entry is not None
    assert entry[1] == "*.conf anywhere and in .htaccess"
    assert "Listen (core.c)" in out


def test_help() -> None:
    status, out, error = mpserver("-h")
    assert (status, error) == (0, "")
    assert out.startswith("Usage: mpserver")


def test_every_option_has_a_long_form_that_means_the_same(tmp_path: Path) -> None:
    for option in option_table.options(""):
        if not (option.short and option.long):
            continue
        value = {"-k": ["stop"], "-e": ["info"], "-d": [str(tmp_path)]}.get(option.short, ["x"]) if option.takes else []
        assert options_module.parse([option.short, *value]) == options_module.parse([option.long, *value]), option
    assert options_module.parse(["--define=ONE"]).defines == {"ONE": ""}
    short = {option.short for option in option_table.options("")}
    assert short >= {f"-{letter}" for letter in "DdfCceEkvVhlLtTSMX"}  # (httpd's)


def test_the_help_has_every_option_and_command() -> None:
    help_text = mpserver("--help")[1]
    for option in option_table.options(""):
        assert re.search(rf"^  (-., )?{option.long}\b", help_text, re.MULTILINE), option
    for name in option_table.COMMANDS:
        assert re.search(rf"^  {name} ", help_text, re.MULTILINE), name
    assert max(map(len, help_text.splitlines())) <= 120
    assert mpserver("help")[1] == help_text


@pytest.mark.parametrize("command", [name for name in option_table.COMMANDS if name != "help"])
def test_help_for_every_command(command: str) -> None:
    status, out, error = mpserver("help", command)
    assert status == 0
    assert re.match(rf"[Uu]sage: mpserver {command}\b", out or error)


def test_a_profile_takes_an_interpreter_and_seconds() -> None:
    for words in (
        ["--profile", "shop", "2.5", "--flamegraph", "x.html", "-f", "a.conf"],
        ["-f", "a.conf", "--flamegraph=x.html", "--profile=shop", "2.5"],
        ["--prof", "shop", "2.5", "-f", "a.conf", "--flamegraph", "x.html"],
    ):
        options = options_module.parse(words)
        assert (options.profile, options.seconds, options.flamegraph) == ("shop", 2.5, "x.html")
        assert options.file.endswith("a.conf")
        assert not options.begins


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--profile", "shop"], "profile needs an interpreter and seconds"),
        (["--profile", "shop", "0"], "profile needs an interpreter and seconds"),
        (["--profile", "shop", "0.00"], "profile needs an interpreter and seconds"),
        (["--profile", "shop", "-t", "5"], "illegal argument -- 5"),
        (["--profile", "shop", "5x"], "profile needs an interpreter and seconds"),
        (["--profile", "", "5"], "profile needs an interpreter and seconds"),
        (["--profile", "shop", "5", "6"], "illegal argument -- 6"),
        (["--flamegraph", "x.html"], "flamegraph goes with --profile"),
    ],
)
def test_what_is_no_profile(words: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        options_module.parse(words)


def test_the_words_are_completed_in_bash(tmp_path: Path) -> None:
    script = tmp_path / "mpserver.bash"
    for shell in completion.SHELLS:
        status, out, error = mpserver("completion", shell)
        assert (status, error) == (0, "")
        assert "graceful-stop" in out
        assert "--print-config" in out or "print-config" in out  # (of serve)
        if shell == "bash":
            script.write_text(out)
    ask = """
    source "$1"
    shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _shtab_mpserver mpserver "${@: -1}" "${@: -2:1}"
    echo "${COMPREPLY[@]}"
    """
    for words, wanted in {
        ("-k", "gr"): "graceful graceful-stop",
        ("--recy",): "--recycle",
        ("--prof",): "--profile",
        ("check-i",): "check-interp",
        ("serve", "--print"): "--print-config",
        ("completion", "f"): "fish",
    }.items():
        done = subprocess.run(
            ["bash", "-c", ask, "bash", str(script), "mpserver", *words], capture_output=True, text=True, check=True
        )
        assert (done.stdout.strip(), done.stderr) == (wanted, ""), words


def test_without_its_library_completion_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert completion.main(["bash"]) == 1
    assert capsys.readouterr().err == "mpserver completion needs shtab: pip install 'mpserver[completion]'\n"


# ---- start-up errors and -k without a server


@pytest.mark.parametrize("command", ["stop", "graceful-stop"])
def test_stopping_what_does_not_run(conf: Path, command: str) -> None:
    assert mpserver("-k", command, "-f", str(conf)) == (0, "mpserver (no pid file) not running\n", "")
    (conf.parent / "logs").mkdir()
    (conf.parent / "logs" / "mpserver.pid").write_text("4194000\n")
    assert mpserver("-k", command, "-f", str(conf)) == (0, "mpserver (pid 4194000?) not running\n", "")


@pytest.mark.parametrize("how", [["-k", "start"], ["-DFOREGROUND"], ["-X"]])
def test_a_missing_log_folder_ends_the_start(conf: Path, how: list[str]) -> None:
    status, out, error = mpserver(*how, "-f", str(conf))
    assert (status, out) == (1, "")
    assert error.startswith("(2)No such file or directory: AH02291: Cannot access directory")
    assert error.count("\n") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_without_user_is_refused(conf: Path) -> None:
    conf.write_text(CONF.replace("User root\n", ""))
    status, _, error = mpserver("-k", "start", "-f", str(conf))
    assert status == 1
    assert "'User root'" in error
