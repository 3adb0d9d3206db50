"""Dockerfile, compose.yaml and conf/container.conf: rules that images are held to, and their commands as they stand.

No image is built here, for that takes a registry: linters and the tests read the instructions, and what the container
runs (its configuration, its command, its health check) runs without one.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from support.processes import PROJECT
from support.server import Port
from support.waiting import PATIENCE, wait_for


class Instruction(NamedTuple):
    """A line of a Dockerfile, with its continuations."""

    name: str
    rest: str

    @property
    def words(self) -> list[str]:
        """Its words, without options; of the form in JSON its entries."""
        text = re.sub(r"^(--\S+\s+)+", "", self.rest)
        if text.startswith("["):
            found = json.loads(text)
            assert all(isinstance(word, str) for word in found)
            return list(found)
        return shlex.split(text)


def instructions() -> list[Instruction]:
    """The instructions of the Dockerfile."""
    lines = [line for line in (PROJECT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


FILE = instructions()


def last(name: str) -> Instruction:
    """The one of that name that counts."""
    return [found for found in FILE if found.name == name][-1]


def test_the_image_is_made_in_stages_and_the_last_one_runs_as_nobody_of_note() -> None:
    stages = [found.words for found in FILE if found.name == "FROM"]
    assert [words[1:] for words in stages] == [["AS", "build"], []]
    assert {words[0] for words in stages} == {"python:${PYTHON}-slim"}
    user, group = last("USER").rest.split(":")
    assert int(user) >= 10000
    assert int(group) >= 10000
    names = [found.name for found in FILE]
    # after it nothing is made, so that nothing runs as root
    assert not {"RUN", "COPY", "FROM"}.intersection(names[max(n for n, name in enumerate(names) if name == "USER") :])


def test_no_instruction_is_of_those_that_linters_refuse() -> None:
    assert {found.name for found in FILE} <= {
        "ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT",
        "CMD",
    }  # fmt: skip
    for found in FILE:
        if found.name == "RUN":
            assert not re.search(r"\b(sudo|curl|wget|apt)\b|\|", found.rest), found
            assert "pip install" not in found.rest or "--no-cache-dir" in found.rest
        if found.name == "WORKDIR":
            assert found.rest.startswith("/")
        if found.name in ("CMD", "ENTRYPOINT"):
            assert found.rest.startswith("["), "without a shell, which would be the first process"
    assert last("HEALTHCHECK").rest.partition("CMD ")[2].startswith("[")
    assert last("STOPSIGNAL").rest == "SIGTERM"


def test_what_is_copied_is_there_and_not_ignored() -> None:
    rules = [line for line in (PROJECT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    out = [rule.removeprefix("**/") for rule in rules[1:] if not rule.startswith("!")]
    copied = set()
    for found in FILE:
        if found.name == "COPY" and "--from=" not in found.rest:
            for source in found.words[:-1]:
                assert (PROJECT / source).exists(), source
                assert source.partition("/")[0] in let_in, source
                assert not any(fnmatch.fnmatch(source, pattern) for pattern in out)
                copied.add(source)
    # whatever setuptools looks for: packages and their files, and those of data-files
    assert {"pyproject.toml", "README.md", "LICENSE", "mpserver", "mod_python", "docs", "conf"} <= copied


def judged(program: str, *words: str) -> tuple[int, str]:
    """What a program of the tests' environment says of a file, and its exit status."""
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *words],
        capture_output=True, text=True, check=False, timeout=4 * PATIENCE,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(sys.version_info < (3, 14), reason="linters are installed with the newest Python (group test)")
def test_linters_have_nothing_to_say(tmp_path: Path) -> None:
    assert judged("hadolint", "--failure-threshold", "style", str(PROJECT / "Dockerfile")) == (0, "")
    schema = ("--builtin-schema", "vendor.compose-spec")
    assert judged("check-jsonschema", *schema, str(PROJECT / "compose.yaml"))[0] == 0
    # (they would)
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nRUN cd /x && sudo ls\n")
    status, said = judged("hadolint", "--failure-threshold", "style", str(bad))
    assert status != 0
    assert "DL3006" in said
    compose = tmp_path / "compose.yaml"
    compose.write_text("services:\n  one:\n    ports: 8080\n")
    assert judged("check-jsonschema", *schema, str(compose))[0] != 0


def test_compose_runs_that_image_with_few_rights() -> None:
    compose = yaml.safe_load((PROJECT / "compose.yaml").read_text())
    assert set(compose) == {"services"}
    ((_name, service),) = compose["services"].items()
    assert service["build"] == "."
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    port = last("EXPOSE").rest
    assert [entry.rpartition(":")[2] for entry in service["ports"]] == [port]
    conf = (PROJECT / "conf" / "container.conf").read_text()
    assert re.search(rf"^Listen +{port}$", conf, re.MULTILINE)
    (pid_file,) = re.findall(r"^PidFile +(\S+)$", conf, re.MULTILINE)
    folder, _, options = service["tmpfs"][0].partition(":")
    assert folder == os.path.dirname(pid_file)
    assert f"uid={last('USER').rest.partition(':')[0]}" in options
    seconds = [
        int(value) for value in re.findall(r"^(?:ShutdownDelay|GracefulShutdownTimeout) +(\d+)$", conf, re.MULTILINE)
    ]
    assert len(seconds) == 2
    assert int(service["stop_grace_period"].removesuffix("s")) >= sum(seconds) + 10


APP = """
import threading

from mod_python import apache


def handler(req):
    if req.args == "slow":
        req.write("begun ")
        req.flush()
        with open(req.get_options()["fifo"]) as fifo:
            fifo.read()
        req.write("ended")
    else:
        req.write("hello")
    return apache.OK
"""

SITE = """
<Directory {folder}/www>
    AddHandler mod_python .py
    PythonHandler app
    PythonOption fifo {folder}/fifo
</Directory>
"""


class Container(NamedTuple):
    """What the container would run, with other paths and ports."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    check: list[str]

    def health(self) -> int:
        """The status of the health check."""
        return subprocess.run(self.check, capture_output=True, check=False, timeout=PATIENCE).returncode

    def output(self, name: str) -> str:
        """What was written to one of the two streams."""
        return (self.folder / name).read_text(errors="replace")


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    """The image's command with the image's configuration, in a folder of its own."""
    port, management = Port(), Port()
    (tmp_path / "www").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "www" / "app.py").write_text(APP)
    (tmp_path / "www" / "index.html").write_text("a file\n")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "site.conf").write_text(SITE.format(folder=tmp_path))
    conf = (PROJECT / "conf" / "container.conf").read_text()
    for here, there in (
        ("/srv/site", str(tmp_path)), ("Listen     8080", f"Listen 127.0.0.1:{port.number}"),
        ("/run/mpserver", str(tmp_path / "run")), ("9901", str(management.number)),
        ("ShutdownDelay           2", "ShutdownDelay 100ms"),
        ("GracefulShutdownTimeout 10", "GracefulShutdownTimeout 60"),
    ):  # fmt: skip
        assert here in conf, here
        conf = conf.replace(here, there)
    conf += "StartServers 1\n"
    if os.geteuid() == 0:
        conf += "User root\n"
    (tmp_path / "httpd.conf").write_text(conf)
    command = [
        str(tmp_path / "httpd.conf") if word == "/etc/mpserver/httpd.conf" else word for word in last("CMD").words
    ]
    assert last("ENTRYPOINT").words == ["mpserver"]
    text = last("HEALTHCHECK").rest.partition("CMD ")[2].replace("9901", str(management.number))
    check = [sys.executable, *json.loads(text)[1:]]
    with (tmp_path / "stdout").open("wb") as out, (tmp_path / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "mpserver", *command], stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=PROJECT
        )
    try:
        yield Container(process, tmp_path, port.number, check)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        port.release()
        management.release()


def test_what_the_container_runs(container: Container) -> None:
    def answers() -> bool:
        assert container.process.poll() is None, container.output("stderr")
        return container.health() == 0

    wait_for(answers, "the health check to succeed")
    url = f"http://127.0.0.1:{container.port}/"

    def get(path: str) -> str:
        with urllib.request.urlopen(url + path, timeout=PATIENCE) as reply:
            return str(reply.read().decode())

    wait_for(lambda: "resuming normal operations" in container.output("stderr"), "the start to be told")
    assert get("") == "a file\n"
    assert get("app.py") == "hello"
    wait_for(lambda: '"/app.py"' in container.output("stdout"), "the access log on standard output")
    assert all(json.loads(line)["status"] == 200 for line in container.output("stdout").splitlines())
    # its end: what runs is finished, and the health check fails
    begun, told = threading.Event(), []

    def slow() -> None:
        with urllib.request.urlopen(url + "app.py?slow", timeout=PATIENCE) as reply:
            told.append(reply.read(6))
            begun.set()
            told.append(reply.read())

    asking = threading.Thread(target=slow)
    asking.start()
    try:
        assert begun.wait(PATIENCE)
        container.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "shutting down gracefully in" in container.output("stderr"), "the end to be told")
        wait_for(lambda: container.health() != 0, "the management address to close")
        assert container.process.poll() is None
    finally:

        def over() -> bool:
            os.close(os.open(container.folder / "fifo", os.O_RDWR))  # (which waits for nobody, should none read)
            return not asking.is_alive()

        wait_for(over, "the slow request to end")
    assert told == [b"begun ", b"ended"]
    assert container.process.wait(PATIENCE) == 0
    with pytest.raises(urllib.error.URLError):
        get("")
