"""Finds the test of each name, and writes the page."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from comparing import deliberate, deliberate_applications, deliberate_filters
from comparing.main import all_cases

from covering import published
from covering.sections import FILES, ROOT, SECTIONS, uses

NAMES = Path(__file__).with_name("names.txt")
PAGE = ROOT / "docs" / "api-coverage.md"
#: The test that sends what tools/comparing asks; its questions are uses.
COMPARISON = "tests/server/test_published.py::test_answers_as_the_published_one"
PAGES = ("tools/compare_site/lib/*.py", "tools/compare_site/site.conf")

HEAD = """\
# What of mod_python's interface is there, and which test uses it

Every public name of mod_python 3.2.10 and 3.5. `tools/coverage-page` writes this page, and the tests fail when a
name is missing from the server or from here, or has no test. Where `test_published.py` stands, the answer is
compared with that of the published mod_python on httpd.
"""


DIFFERENCES = """\
## Where answers differ from those of the published one, deliberately

`tools/compare` sends the same requests to both. All that differs has one of these reasons ("there": in the published
one); anything else fails the comparison.

"""

UNASKED = """\
## Where else they differ, deliberately

No request of `tools/compare` shows these; tests of this server do.

"""


class Names(NamedTuple):
    """A section's names, and those that are absent on purpose, with the reason."""

    there: list[str]
    absent: dict[str, str]


class Test(NamedTuple):
    """A test's id, and its text with that of the tables in its module that it mentions."""

    id: str
    text: str
    tables: str


def read_names() -> dict[str, Names]:
    """names.txt by sections."""
    sections: dict[str, Names] = {}
    current = Names([], {})
    for line in NAMES.read_text().splitlines():
        if line.startswith("["):
            current = sections[line.strip("[]")] = Names([], {})
        elif line.startswith("-"):
            names, _, reason = line[1:].partition(":")
            current.absent.update(dict.fromkeys(names.split(), reason.strip()))
        elif not line.startswith("#"):
            current.there.extend(line.split())
    return sections


def read_tests() -> list[Test]:
    """All tests, in the order of their files."""
    tests: list[Test] = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tests += _tests_of(path)
    asked = [unquote_to_bytes(case.data).decode("latin-1") for case in all_cases()]
    pages = [path.read_text() for pattern in PAGES for path in sorted(ROOT.glob(pattern))]
    tests.append(Test(COMPARISON, "\n".join(asked + pages), ""))
    return tests


def _tests_of(path: Path) -> Iterator[Test]:
    lines = path.read_text().splitlines()
    tree = ast.parse("\n".join(lines))
    file = path.relative_to(ROOT).as_posix()
    tables: dict[str, str] = {}
    functions: list[tuple[str, str, bool]] = []

    def walk(body: list[ast.stmt], owner: str) -> None:
        for node in body:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            text = "\n".join(lines[first - 1 : node.end_lineno])
            if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                walk(node.body, f"{owner}{node.name}::")
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                functions.append((owner + node.name, text, node.name.startswith("test_")))
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                tables.update((target.id, text) for target in targets if isinstance(target, ast.Name))

    walk(tree.body, "")
    helpers = {name: text for name, text, is_test in functions if not is_test}
    for name, text, is_test in functions:
        if is_test:
            yield Test(f"{file}::{name}", text, _mentioned(text, {**tables, **helpers}))


@cache
def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


def _mentioned(text: str, definitions: dict[str, str]) -> str:
    """The definitions that a text uses, directly or through others."""
    found: dict[str, str] = {}
    waiting = [text]
    while waiting:
        for name in (_words(waiting.pop()) & definitions.keys()) - found.keys():
            found[name] = definitions[name]
            waiting.append(definitions[name])
    return "\n".join(found[name] for name in definitions if name in found)


def find_test(section: str, name: str, tests: list[Test]) -> str | None:
    """The id of a test that uses a name: itself, or through its module's tables."""
    pattern, only = uses(section, name), re.compile(FILES.get(section, ""))
    fitting = [test for test in tests if only.search(test.id)]
    word = name.rpartition(".")[2]
    for of in ("text", "tables"):
        for test in fitting:
            text: str = getattr(test, of)
            if (word in text or word.startswith("__")) and pattern.search(text):
                return test.id
    return None


def rows(tests: list[Test]) -> tuple[dict[str, list[tuple[str, str]]], list[str]]:
    """The page's rows by section, and what is wrong."""
    found: dict[str, list[tuple[str, str]]] = {}
    faults: list[str] = []
    for section, names in read_names().items():
        found[section] = []
        for name in names.there:
            if not SECTIONS[section].exists(name):
                faults.append(f"{section}: {name} is not implemented")
            test = find_test(section, name, tests)
            if test is None:
                faults.append(f"{section}: no test uses {name}")
            else:
                found[section].append((name, f"`{test.removeprefix('tests/')}`"))
        for name, reason in names.absent.items():
            if SECTIONS[section].exists(name):
                faults.append(f"{section}: {name} is there, though it is said to be absent")
            found[section].append((name, f"absent: {reason}"))
    return found, faults


def page(found: dict[str, list[tuple[str, str]]]) -> str:
    """The text of the page."""
    parts = [HEAD]
    for section, lines in found.items():
        table = "\n".join(f"| `{name}` | {test} |" for name, test in lines)
        parts.append(f"## {SECTIONS[section].title}\n\n| name | test |\n| --- | --- |\n{table}\n")
    parts.append(published.section())
    parts.append(DIFFERENCES + "".join(f"- {reason}\n" for reason in reasons()))
    parts.append(UNASKED + "".join(f"- {reason}\n" for reason in deliberate.UNASKED))
    return "\n".join(parts)


def reasons() -> list[str]:
    """Why answers differ from those of the published one, each once."""
    tables = (*deliberate.DELIBERATE, *deliberate_filters.DELIBERATE, *deliberate_applications.OF_APPLICATIONS)
    return list(dict.fromkeys(reason for _pattern, _aspects, reason in tables))


def check(tests: list[Test], found: dict[str, list[tuple[str, str]]], text: str) -> list[str]:
    """What is wrong with the page as it is: names that it lacks, tests that are no longer there."""
    ids = {test.id.removeprefix("tests/") for test in tests}
    listed = re.findall(r"^\| `([^`]+)` \| (.*) \|$", text.replace(published.section(), ""), re.MULTILINE)
    faults = [f"{name} is not on the page" for lines in found.values() for name, _ in lines if name not in dict(listed)]
    meant = (*reasons(), *deliberate.UNASKED)
    faults += [f"a deliberate difference is not on the page: {reason}" for reason in meant if reason not in text]
    if published.section() not in text:
        faults.append("the names that are left out are not on the page as they are")
    return faults + [
        f"{name}: there is no test {test}" for name, test in listed if test[:1] == "`" and test.strip("`") not in ids
    ]


def main() -> int:
    """Write the page, or check it. :returns: the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is not right")
    arguments = parser.parse_args()
    tests = read_tests()
    found, faults = rows(tests)
    faults += published.left_out()[1]
    if arguments.check:
        faults += check(tests, found, PAGE.read_text() if PAGE.exists() else "")
    else:
        PAGE.write_text(page(found))
    for fault in faults:
        print(fault)
    if faults and arguments.check:
        print("Mend that, and run tools/coverage-page.")
    return int(bool(faults))
