"""What may be meant by a name that is nearly a known one."""

from __future__ import annotations

import ast

import pytest

from mpserver import alike
from support.processes import PROJECT


@pytest.mark.parametrize(
    ("wanted", "likeness", "told"),
    [("sevre", 0.6, ": did you mean <serve>?"), ("sevre", 0.95, ""), ("quite another", 0.6, "")],
)
def test_the_nearest_name_is_asked_for(wanted: str, likeness: float, told: str) -> None:
    assert alike.asked(wanted, ["serve", "new"], likeness=likeness, shown="<{}>".format) == told


def test_it_is_asked_in_one_place_alone() -> None:
    found = []
    for file in (*(PROJECT / "mpserver").rglob("*.py"), *(PROJECT / "mod_python").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "did you mean " in node.value:
                found.append(str(file.relative_to(PROJECT)))
            if isinstance(node, ast.Name) and node.id == "difflib":
                found.append(str(file.relative_to(PROJECT)))
    # (a relative path of <Directory> is told with the whole one, which is no name that is known)
    assert set(found) == {"mpserver/alike.py", "mpserver/cli/meant.py"}
    assert found.count("mpserver/cli/meant.py") == 1
