"""What the pages have in common. Each interpreter loads this module for itself."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title>
<link rel="icon" href="/favicon.svg">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<nav><a href="/">mpserver demo</a></nav>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def page(title, body):
    """A whole page; both are HTML."""
    return _PAGE.format(title=title, body=body)


def table(rows):
    """Names and values, which are HTML, one below the other."""
    return "<dl>\n" + "".join(f"<dt>{name}</dt><dd>{value}</dd>\n" for name, value in rows) + "</dl>\n"
