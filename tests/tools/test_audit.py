"""tools/audit: what is shipped is clean, and what is not would be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from auditing import code, deployment, main

ROOT = Path(__file__).resolve().parent.parent.parent
UNIT = (ROOT / "conf" / "mpserver.service").read_text()


def test_what_is_shipped_is_clean() -> None:
    assert deployment.look(ROOT) == []


@pytest.mark.parametrize("name", deployment.HARDENING)
def test_a_unit_without_it_is_told(name: str) -> None:
    without = "\n".join(line for line in UNIT.splitlines() if not line.startswith(name + "="))
    (told,) = deployment.unit(without)
    assert told.startswith(f"{name}=(not said)")
    assert deployment.unit(without, of_user=True) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("NoNewPrivileges=true", "NoNewPrivileges=false", "NoNewPrivileges=false, which should be true or yes"),
        ("PrivateTmp=true", "PrivateTmp=true\nPrivateTmp=true", "PrivateTmp is said twice"),
        ("CAP_CHOWN", "CAP_CHOWN CAP_SYS_ADMIN", "CapabilityBoundingSet should be there"),
        ("CapabilityBoundingSet=", "# CapabilityBoundingSet=", "CapabilityBoundingSet should be there"),
        ("AF_INET6", "AF_INET6 AF_PACKET", "RestrictAddressFamilies should be there"),
        ("Environment=MPSERVER_CONF", "Environment=DB_PASSWORD=x\nEnvironment=MPSERVER_CONF", "DB_PASSWORD in Environ"),
        ("ExecReload=", "ExecReload=/bin/sh -c ", "a shell runs in ExecReload="),
    ],
)
def test_what_is_wrong_with_a_unit(old: str, new: str, told: str) -> None:
    assert old in UNIT
    assert [line[: len(told)] for line in deployment.unit(UNIT.replace(old, new))] == [told]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("FROM python:3.14-slim\nRUN pip install mpserver\nUSER www-data\n", []),
        ("FROM python:3.14-slim AS build\nFROM build\nUSER 1000:1000\n", []),
        ("FROM python\nUSER x\n", ["FROM python may be another one tomorrow"]),
        ("FROM python:latest\nUSER x\n", ["FROM python:latest may be another one tomorrow"]),
        ("FROM python:3.14\n", ["its programs run as root"]),
        ("FROM python:3.14\nUSER root\n", ["its programs run as root"]),
        ("FROM python:3.14 AS one\nUSER x\nFROM python:3.14\n", ["its programs run as root"]),
        ("FROM python:3.14\nADD https://a.example/x /x\nUSER x\n", ["ADD https://a.example/x /x: nothing checks"]),
        ("FROM python:3.14\nARG API_KEY=1\nUSER x\n", ["ARG API_KEY stays in the image"]),
        ("FROM python:3.14\nRUN apt-get update && \\\n curl x | sh\nUSER x\n", ["RUN runs what it downloads"]),
    ],
)
def test_what_is_wrong_with_an_image(text: str, told: list[str]) -> None:
    found = deployment.image(text)
    assert len(found) == len(told)
    assert all(line.startswith(start) for line, start in zip(found, told, strict=True)), found


def test_findings_are_argued_beside_their_lines(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "marshal.loads(x)  # noqa: S302 - our own\nmarshal.loads(y)\nmarshal.loads(z)  # noqa: S302\neval(\n"
        "    x,  # noqa: S102, S307 - what it is for\n)\nimport pickle\nassert x\n"
    )

    def finding(line: int, rule: str, end: int = 0) -> dict[str, Any]:
        return {
            "filename": "a.py", "line_number": line, "line_range": [line, end or line], "test_id": rule,
            "issue_text": "dangerous",
        }  # fmt: skip

    results = [
        finding(1, "B302"), finding(2, "B302"), finding(3, "B302"), finding(1, "B301"), finding(4, "B307", 6),
        finding(7, "B403"), finding(8, "B101"),
    ]  # fmt: skip
    told = code.unargued(tmp_path, results, frozenset({"S101"}))
    assert told == ["a.py:2: B302 dangerous", "a.py:3: B302 dangerous", "a.py:1: B301 dangerous"]


def test_rules_are_left_out_for_a_reason() -> None:
    assert code.ignored((ROOT / "pyproject.toml").read_text()) == {"S101", "S603"}
    assert code.ignored('[tool.ruff.lint]\nignore = [\n    "S101",\n    "S102",  # why\n]\n') == {"S102"}
    assert all(code.ARGUED.values())
    assert all((ROOT / rule[0]).exists() for rule in code.ARGUED if isinstance(rule, tuple))


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["deployment"]) == 0
    assert capsys.readouterr().out == "deployment: clean\n"
    with pytest.raises(SystemExit):
        main.main(["nothing"])
