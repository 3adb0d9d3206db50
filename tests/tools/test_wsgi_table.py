"""The page of applications that were tried: a row may be made anew without the others."""

from __future__ import annotations

import pytest
from serving.catalogue import APPS
from serving.main import PAGE, Result, page, row, rows_of

OF_BOTTLE = Result("bottle_forms", "bottle 9", "HTTP", "auto", "own", "", "0.1 s, 0.2 s", "the same | or\nnot (yet)")
OF_FORKS = Result("forks_in_handler", "-", "HTTP", "auto", "process", "os.fork", "0.1 s, 0.2 s", "the same")


def test_a_row_takes_the_place_of_the_one_that_was_there() -> None:
    made = page({one.app: row(one) for one in (OF_FORKS, OF_BOTTLE)})
    assert made.splitlines()[-2:] == [
        "| bottle 9 (bottle_forms) | HTTP | own | 0.1 s, 0.2 s | the same \\| or not (yet) |",
        "| forks_in_handler | HTTP | process (os.fork) | 0.1 s, 0.2 s | the same |",
    ]
    assert page(rows_of(made)) == made
    newer = OF_BOTTLE._replace(versions="bottle 10")
    assert page(rows_of(made) | {newer.app: row(newer)}) == made.replace("bottle 9", "bottle 10")


def test_rows_of_another_python_are_no_company() -> None:
    with pytest.raises(ValueError, match="another Python"):
        rows_of(page({}).replace("with Python 3", "with Python 4"))


def test_the_page_has_a_row_for_each_application_that_is_known() -> None:
    rows = PAGE.read_text().partition("| --- |")[2].splitlines()[1:]
    names = [line.split(" | ")[0].strip("| )").rpartition("(")[2] for line in rows]
    assert names == [app.name for app in APPS]
