"""A page and the Python that it becomes, side by side (manual 4.9, display_code)."""

from __future__ import annotations

from html import escape

from mod_python._psp.generated import Generated

STYLE = """\
<style>
body { font: 14px/1.4 sans-serif; margin: 1em }
table { border-collapse: collapse }
td, th { padding: 0 .8em; vertical-align: top; text-align: left }
td { font-family: monospace; white-space: pre-wrap; tab-size: 4; border-left: 1px solid #ccc }
td.n { text-align: right; color: #888; border-left: 0 }
td.page { color: #064 } td.code { color: #00a }
</style>
"""


def listing(generated: Generated) -> str:
    """An HTML page: each line of the page beside the lines of Python that come from it."""
    made: dict[tuple[int, int], list[str]] = {}
    for line, place in generated.rows():
        made.setdefault((place.file, place.line), []).append(line)
    rows = []
    for number, source in enumerate(generated.sources):
        rows.append(f"<tr><th></th><th>{escape(source.name)}</th><th>PSP-produced Python Code</th></tr>\n")
        lines = source.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for at, text in enumerate(lines, 1):
            code = "\n".join(made.get((number, at), ()))
            if at < len(lines) or text or code:
                rows.append(
                    f'<tr><td class="n">{at}</td><td class="page">{escape(text)}</td>'
                    f'<td class="code">{escape(code)}</td></tr>\n'
                )
    title = escape(generated.sources[0].name)
    return (
        f'<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n{STYLE}</head>\n'
        f"<body>\n<table>\n{''.join(rows)}</table>\n</body>\n</html>\n"
    )
