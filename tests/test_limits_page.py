"""The page about limits: its directives are there, with the defaults that it tells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mod_python import util
from mpserver.config.settings import Setting
from mpserver.modules import core, deflate, mpm, python

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "limits.md").read_text()
ROWS = re.findall(r"^\| [^|]*\| `(\w+)` \| (\w+) \|", PAGE, re.MULTILINE)
OPTIONS = re.findall(r"^\| [^|]*\| `mod_python\.util\.(\w+)` \| (\d+) \|", PAGE, re.MULTILINE)
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
SETTINGS = {
    setting.name: setting
    for module in (core, mpm, deflate, python)
    for setting in vars(module).values()
    if isinstance(setting, Setting)
}


def test_the_page_has_rows() -> None:
    assert len(ROWS) == PAGE.count("\n| ") - PAGE.count("\n| --- ") - len(OPTIONS) - 2
    assert len(OPTIONS) == 3


@pytest.mark.parametrize(("directive", "told"), ROWS)
def test_its_defaults_are_right(directive: str, told: str) -> None:
    number, unit = (told[:-1], told[-1]) if told[-1] in UNITS else (told, "")
    assert SETTINGS[directive].default == int(number) * UNITS.get(unit, 1)


@pytest.mark.parametrize(("option", "told"), OPTIONS)
def test_those_of_forms_are_right(option: str, told: str) -> None:
    assert getattr(util, option.upper()) == int(told)
