"""DirectoryIndex, DirectorySlash and DirectoryCheckHandler."""

from __future__ import annotations

import pytest

from modules.scopes import in_directory
from mpserver.modules import dir as directories


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ((), ("index.html",)),
        (("DirectoryIndex a b", "DirectoryIndex c"), ("a", "b", "c")),
        (("DirectoryIndex a", "DirectoryIndex disabled", "DirectoryIndex b"), ("b",)),
        (("DirectoryIndex Disabled",), ()),
        (("DirectoryIndex disabled a",), ("disabled", "a")),
    ],
)
def test_directory_index(given: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert in_directory(*given)[directories.DIRECTORY_INDEX] == names


def test_directory_flags() -> None:
    outer = in_directory("DirectorySlash Off", "DirectoryCheckHandler On", "DirectoryIndex a")
    inner = outer.merged(in_directory("DirectorySlash On", "DirectoryIndex b"))
    assert outer[directories.DIRECTORY_SLASH] is False
    assert (inner[directories.DIRECTORY_SLASH], inner[directories.DIRECTORY_CHECK_HANDLER]) == (True, True)
    assert inner[directories.DIRECTORY_INDEX] == ("b",)
