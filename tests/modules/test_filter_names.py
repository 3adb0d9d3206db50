"""Names of filters: those that are not there are refused when the configuration is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpserver.cli import load
from mpserver.cli.options import parse
from mpserver.errors import ConfigErrors
from mpserver.modules.filter import names


def read(folder: Path, text: str) -> list[str]:
    """The warnings of a configuration."""
    (folder / "httpd.conf").write_text(text)
    return load.read(parse(["-T", "-d", str(folder), "-f", "httpd.conf"])).warnings


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("AddOutputFilterByType NIXDA text/plain", "AddOutputFilterByType: Unknown filter provider NIXDA"),
        ("SetOutputFilter INCLUDES;SUBSTITUTE", "this server has no filter SUBSTITUTE (mod_substitute)"),
        ("<Location />\nAddOutputFilter RATE_LIMIT .txt\n</Location>", "this server has no filter RATE_LIMIT"),
        ("<VirtualHost *:80>\nSetOutputFilter cache\n</VirtualHost>", "this server has no filter CACHE"),
    ],
)
def test_refused(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        read(tmp_path, lines)
    (error,) = caught.value.errors
    assert said in error.message
    assert error.line in (1, 2)


def test_a_library_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(tmp_path, "AddOutputFilterByType BROTLI_COMPRESS;DEFLATE text/plain")
    for name, library in names.LIBRARIES.items():
        monkeypatch.setattr(names, "LIBRARIES", {name: library._replace(module="nobody.has.this")})
        with pytest.raises(ConfigErrors) as caught:
            read(tmp_path, f"AddOutputFilterByType {name.upper()};DEFLATE text/plain")
        assert f"the filter {name.upper()} needs the library nobody.has.this: " in str(caught.value)


def test_others_are_warned_of(tmp_path: Path) -> None:
    (warning,) = read(tmp_path, "SetOutputFilter NIXDA\nSetInputFilter WHATEVER")
    assert "SetOutputFilter: no filter is called NIXDA" in warning
    assert "line 1 of" in warning


def test_filters_in_python_are_known_everywhere(tmp_path: Path) -> None:
    text = """
        PythonOutputFilter module::function SUBSTITUTE
        <VirtualHost *:80>
            <Location />
                PythonOutputFilter module::function OTHER
            </Location>
            SetOutputFilter SUBSTITUTE
        </VirtualHost>
        AddOutputFilterByType OTHER;SUBSTITUTE text/plain
    """
    assert not read(tmp_path, text)
