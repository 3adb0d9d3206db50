"""The contexts of an interpreter, while certificates are renewed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from mpserver.modules.ssl.pieces import packed
from mpserver.serving.tls import Contexts
from mpserver.tls.contexts import ContextError
from mpserver.tls.profile import Certificate, Profile
from support.certificates import Authority


class Renewed:
    """A configuration whose certificate and key are renewed when a certificate was read for the first time."""

    def __init__(self, *versions: list[bytes]) -> None:
        self.version = 0
        self._versions = versions
        self.asked: list[int] = []

    def piece(self, number: int) -> bytes:
        found = self._versions[self.version][number]
        self.version = min(self.version + 1, len(self._versions) - 1)
        self.asked.append(number)
        return found


def pieces(folder: Path, *names: str) -> list[bytes]:
    chain, key = names
    return [(folder / f"{chain}.pem").read_bytes(), packed((folder / f"{key}.key").read_bytes(), "")]


def test_a_certificate_and_the_key_of_another_are_read_again(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    for name in ("first", "second"):
        authority.issue(name, ["DNS:a.example"])
    first, second = (pieces(authority.folder, name, name) for name in ("first", "second"))
    profile = Profile((Certificate(0, 1),))
    configuration = Renewed(first, second)
    contexts = Contexts(cast(Any, configuration))
    context = contexts.of(profile)
    assert configuration.asked == [0, 1, 0, 1]
    assert contexts.of(profile) is contexts.of(profile) is not context  # (those of the version that is there now)

    with pytest.raises(ContextError, match="another certificate's"):
        Contexts(cast(Any, Renewed(pieces(authority.folder, "first", "second")))).of(profile)
