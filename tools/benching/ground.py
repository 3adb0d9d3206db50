"""Where servers run: a folder with a copy of the site, for a peer in another root, too."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

TOOLS = Path(__file__).resolve().parent.parent
SITE = TOOLS / "bench_site"
PEERS = TOOLS / "bench_peers"
MEGABYTE = 1_000_000

#: Static files and their sizes.
FILES = {"hello.txt": 13, "10k.bin": 10_000, "1m.bin": MEGABYTE}

#: How CGI scripts begin. Here they get the Python that runs this: what env finds may be a script that looks for one.
SHEBANG = "#!/usr/bin/env python3"

#: What Flask consists of.
FLASK = ("flask", "werkzeug", "jinja2", "markupsafe", "itsdangerous", "click", "blinker")


class Ground(NamedTuple):
    """A folder as we see it and as its servers do, and the root that these have (None: ours)."""

    folder: Path
    inside: str
    root: Path | None

    def words(self) -> list[str]:
        """What a command begins with to run there."""
        return ["chroot", str(self.root)] if self.root is not None else []

    def run_folder(self, name: str) -> tuple[Path, str]:
        """A folder for a server's own files, as we and as it see it."""
        folder = self.folder / name
        folder.mkdir()
        folder.chmod(0o777)
        return folder, f"{self.inside}/{name}"


@contextlib.contextmanager
def prepared(root: Path | None = None) -> Iterator[Ground]:
    """A folder with the site in it, while the block lasts.

    :param root: a folder to which the servers are confined (chroot)
    """
    temporary = (root / "tmp") if root is not None else None
    with tempfile.TemporaryDirectory(prefix="mpserver-bench-", dir=temporary) as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(SITE, folder / "site", ignore=shutil.ignore_patterns("__pycache__"))
        static = folder / "site" / "static"
        static.mkdir()
        for file, size in FILES.items():
            (static / file).write_bytes((b"Hello World!\n" * (size // 13 + 1))[:size])
        for path in (folder / "site").rglob("*"):
            path.chmod(0o755 if path.is_dir() or path.suffix == ".py" else 0o644)
        if root is None:
            for path in (folder / "site").rglob("*.py"):
                path.write_text(path.read_text().replace(SHEBANG, f"#!{Path(sys.executable).resolve()}"))
        lib = folder / "lib"
        lib.mkdir()
        _copy_flask(lib)
        inside = name if root is None else f"/tmp/{folder.name}"  # noqa: S108 - the folder was made there by tempfile
        yield Ground(folder, inside, root)


def _copy_flask(lib: Path) -> None:
    """Flask, where it is installed, for servers that have another Python; all of it runs without compiled parts."""
    for name in FLASK:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            for file in importlib.metadata.files(name) or ():
                if ".." in file.parts or "__pycache__" in file.parts or file.suffix == ".so":
                    continue
                target = lib / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), target)


def certified(grounds: Sequence[Ground]) -> None:
    """Make a certificate for localhost, and lay it where each ground's servers look for it.

    :raises SystemExit: there is no program openssl
    """
    key, certificate = grounds[0].folder / "key.pem", grounds[0].folder / "cert.pem"
    words = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate),
    ]  # fmt: skip
    try:
        subprocess.run(words, check=True, capture_output=True)
    except FileNotFoundError:
        raise SystemExit("For TLS the program openssl is needed. On Debian: apt install openssl") from None
    for ground in grounds:
        for path in (key, certificate):
            laid = ground.folder / "site" / "modules" / path.name
            laid.write_bytes(path.read_bytes())
            laid.chmod(0o644)


def soft_limit() -> None:
    """Let servers and clients have as many descriptors as the machine allows."""
    import resource

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def is_root() -> bool:
    """Whether we may change users and roots."""
    return os.geteuid() == 0
