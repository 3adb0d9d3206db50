"""What is published: the wheel and the source distribution, made and looked at without a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

from support.processes import PROJECT

PACKAGES = ("mpserver", "mod_python")
#: Folders that are whole in the source distribution, and what lies in the project's own folder.
FOLDERS = (*PACKAGES, "docs", "conf", "examples", "tests", "tools")
FILES = (
    "LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "MANIFEST.in", "pyproject.toml",
    "Dockerfile", ".dockerignore", "compose.yaml",
)  # fmt: skip

#: (each in a process of its own, as builders do it)
BUILD = "import sys, setuptools.build_meta as b; getattr(b, sys.argv[2])(sys.argv[1])"


def files(folder: str) -> Iterator[str]:
    """The files of a folder of the project that are no products of tools."""
    made = {"__pycache__", "run", "build", "_build", ".pytest_cache", ".mypy_cache", ".hypothesis"}
    for path in sorted((PROJECT / folder).rglob("*")):
        relative = path.relative_to(PROJECT)
        if path.is_file() and not made.intersection(relative.parts[:-1]) and path.suffix != ".pyc":
            yield str(relative)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both distributions."""
    source, target = tmp_path_factory.mktemp("project") / "source", tmp_path_factory.mktemp("dist")
    for name in (*FILES, *(file for folder in FOLDERS for file in files(folder))):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, source / name)
    for what in ("build_wheel", "build_sdist"):
        done = subprocess.run(
            [sys.executable, "-c", BUILD, str(target), what],
            cwd=source, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel."""
    (found,) = built.glob("mpserver-*-py3-none-any.whl")
    return found


def test_the_wheel_has_the_packages_and_what_they_need(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {name for package in PACKAGES for name in files(package)}
    assert wanted - names == set()
    assert {"mpserver/py.typed", "mod_python/py.typed"} <= names
    folders = {name.partition("/")[0] for name in names}
    stem = wheel.name.removesuffix("-py3-none-any.whl")
    assert folders == {*PACKAGES, f"{stem}.dist-info", f"{stem}.data"}
    data = {name.removeprefix(f"{stem}.data/data/") for name in names if name.startswith(f"{stem}.data/")}
    manual = {f"share/doc/mpserver/{path.name}" for path in (PROJECT / "docs").glob("*.md")}
    manual |= {f"share/doc/mpserver/bench/{path.name}" for path in (PROJECT / "docs" / "bench").glob("*.md")}
    samples = {f"share/doc/mpserver/{name}" for name in ("mpserver.service", "mpserver.logrotate", "container.conf")}
    assert {"share/man/man1/mpserver.1", *manual, *samples} <= data


def test_what_it_says_of_itself(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        stem = wheel.name.removesuffix("-py3-none-any.whl")
        facts = Parser().parsestr(archive.read(f"{stem}.dist-info/METADATA").decode())
        license_text = archive.read(f"{stem}.dist-info/licenses/LICENSE").decode()
        commands = archive.read(f"{stem}.dist-info/entry_points.txt").decode()
    assert (facts["Name"], facts["License-Expression"], facts["License-File"]) == ("mpserver", "Apache-2.0", "LICENSE")
    assert "Apache License" in license_text
    assert facts["Requires-Python"] == ">=3.11"
    extras = {"redis", "brotli", "zstd", "acme", "opentelemetry", "completion", "top"}
    assert set(facts.get_all("Provides-Extra", [])) == extras
    own = sorted(line for line in facts.get_all("Requires-Dist", []) if "extra ==" not in line)
    assert [re.split("[<>]", line)[0] for line in own] == ["multipart", "psutil", "setproctitle"]
    classifiers = facts.get_all("Classifier", [])
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in range(11, 15)} <= set(classifiers)
    assert "mpserver = mpserver.cli.main:main" in commands
    assert str(facts.get_payload()).startswith("# ")


def test_the_source_has_all_that_is_needed_to_test_it(built: Path) -> None:
    (path,) = built.glob("mpserver-*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {*FILES, *(name for folder in FOLDERS for name in files(folder))}
    assert wanted - names == set()


def test_what_the_wheel_has_runs_alone(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
            timeout=100,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    where = run("-c", "import mpserver, mod_python; print(mpserver.__file__, mod_python.__file__)")
    assert where.count(str(tmp_path / "installed")) == 2
    assert "has a site now" in run("-m", "mpserver", "new", "site")
    assert run("-m", "mpserver", "-t", "-f", "site/mpserver.conf") == "Syntax OK\n"
    assert "[Service]" in run("-m", "mpserver", "--print-unit")
