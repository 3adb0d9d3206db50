"""docs/ as a site: it is built without a warning, and all pages are in its navigation and in ``llms.txt``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.pages import page
from support.processes import PROJECT

DOCS = PROJECT / "docs"
ENTRY = re.compile(r"^- \[(?P<title>[^\]]+)\]\((?P<file>[\w/.-]+\.md)\): (?P<text>.+)$", re.MULTILINE)
ENTRIES = [match.groupdict() for match in ENTRY.finditer(page("index.md"))]


def pages() -> set[str]:
    """All pages but the first one."""
    return {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} - {"index.md"}


def test_each_page_is_listed_once() -> None:
    listed = [entry["file"] for entry in ENTRIES]
    assert sorted(listed) == sorted(pages())


def test_the_first_page_is_what_llms_txt_has_to_be() -> None:
    text = page("index.md")
    assert re.match(r"# mpserver\n\n> .+\n", text)
    lines = re.findall(r"^- .*$", text, re.MULTILINE)
    assert len(lines) == len(ENTRIES), "each entry is a link, a colon and what is there"


def test_links_between_pages_lead_to_pages_and_headings() -> None:
    broken = []
    for name in (*pages(), "index.md"):
        text = re.sub(r"^```.*?^```$", "", page(name), flags=re.MULTILINE | re.DOTALL)
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", text):
            path = (DOCS / name).parent / target if target else DOCS / name
            if not path.is_file():
                broken.append(f"{name}: {target}")
            elif anchor and anchor not in anchors(path.read_text()):
                broken.append(f"{name}: {target}#{anchor}")
    assert broken == []


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^##+ (.+)$", text, re.MULTILINE)
    }


@pytest.mark.skipif(sys.version_info < (3, 14), reason="the site is made with Python 3.14 (dependency group docs)")
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    out = tmp_path / "site"
    done = subprocess.run(
        [
            sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "--jobs", "2",
            "--doctree-dir", str(tmp_path / "trees"), str(DOCS), str(out),
        ],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    index = (out / "index.html").read_text()
    assert (out / "llms.txt").read_text() == page("index.md")
    for entry in ENTRIES:
        html = out / f"{entry['file'].removesuffix('.md')}.html"
        assert f'href="{html.relative_to(out)}"' in index
        assert (out / entry["file"]).read_text().startswith("# "), "each page is there as a file, too"
    # names of pages in the text are links, and the changes are there
    assert '<a class="reference internal" href="sessions.html"' in (out / "deploying.html").read_text()
    assert "Unreleased" in (out / "changelog.html").read_text()
