"""Where control sockets are."""

import pytest

from mpserver.ipc import control_path


@pytest.mark.parametrize(
    ("pid_file", "path"),
    [
        ("/run/mpserver.pid", "/run/mpserver.control"),
        ("/run/shop.example.com", "/run/shop.example.com.control"),
        ("/run/shop.example.org", "/run/shop.example.org.control"),
        ("/run/site.control", "/run/site.control.control"),
        ("/run/site.d/pid", "/run/site.d/pid.control"),
    ],
)
def test_each_pid_file_has_one_of_its_own(pid_file: str, path: str) -> None:
    assert control_path.path(pid_file) == path
