"""Makes a site of the pages of this folder: ``python -m sphinx -W docs build/site`` (``pip install --group docs``).

The pages are plain Markdown, to be read as files as well. What a site needs beside that is put in on the way: names of
pages become links, and the lists of ``index.md`` the navigation. Each page is in the site as a file, too, and
``llms.txt`` (llmstxt.org) is the list of them.
"""

import re
import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from mpserver.version import VERSION  # noqa: E402

project = "mpserver"
release = version = VERSION
author = "The maintainers of mpserver"
extensions = ["myst_parser"]
exclude_patterns = ["build", "_build"]
html_theme = "furo"
html_title = f"mpserver {VERSION}"
html_copy_source = False  # (the pages themselves are copied)
highlight_language = "none"  # blocks without a name are listings of all kinds
myst_heading_anchors = 3

#: Pages whose text lies elsewhere in the project.
ELSEWHERE = {"changelog": DOCS.parent / "CHANGELOG.md"}

_SECTION = re.compile(r"^## (?P<title>.+)\n(?P<text>(?:(?!## ).*\n?)*)", re.MULTILINE)
_ENTRY = re.compile(r"^- \[[^\]]+\]\((?P<file>[\w/.-]+)\.md\)", re.MULTILINE)
_NAMED = re.compile(r"(?<![\[\w])`(?:docs/)?(?P<page>[\w./-]+)\.md`(?!\]\()")


def source(docname: str) -> Path:
    """The file of a page."""
    return ELSEWHERE.get(docname, DOCS / f"{docname}.md")


def title(path: Path) -> str:
    """The first heading of a page."""
    return path.read_text().partition("\n")[0].removeprefix("# ")


def navigation(index: str) -> str:
    """The lists of the first page as Sphinx wants to have them."""
    made = []
    for section in _SECTION.finditer(index):
        pages = "\n".join(entry["file"] for entry in _ENTRY.finditer(section["text"]))
        if pages:
            made.append(f"```{{toctree}}\n:hidden:\n:caption: {section['title']}\n\n{pages}\n```\n")
    return "\n".join(made)


def linked(text: str, docname: str) -> str:
    """A page's text, with links where it names other pages by their files."""
    folder = Path(docname).parent

    def link(match: re.Match[str]) -> str:
        page = match["page"]
        path = DOCS / f"{page}.md"
        if not path.is_file():
            return match[0]
        up = "../" * len(folder.parts)
        return f"[{title(path)}]({up}{page}.md)"

    parts = re.split(r"(^(?:```.*?^```|#.*?)$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if number % 2 else _NAMED.sub(link, part) for number, part in enumerate(parts))


def read(_app, docname, content):
    """Sphinx has read a page."""
    text = source(docname).read_text()
    content[0] = linked(text, docname) + ("\n" + navigation(text) if docname == "index" else "")


def finish(app, exception):
    """Sphinx has written the site."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for docname in app.env.found_docs:
        shutil.copyfile(source(docname), out / f"{docname}.md")
    shutil.copyfile(DOCS / "index.md", out / "llms.txt")


def setup(app):
    """Take part."""
    app.connect("source-read", read)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
