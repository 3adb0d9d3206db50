"""Published: each function without an underscore is a page, and its parameters are the form's fields."""

import html

HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Feedback</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
"""
END = """<p><a href="/">Back to the start</a></p>
</body>
</html>
"""
FORM = """<h1>Feedback</h1>
<p>This page is <code>index()</code> of <code>site/form.py</code>; the button calls <code>send()</code>
with what you write.</p>
<form action="/form.py/send" method="post" enctype="multipart/form-data">
<label>Name <input name="name" required></label>
<label>Comment <textarea name="comment" rows="4" required></textarea></label>
<label>A file, if you like <input type="file" name="attachment"></label>
<button>Send</button>
</form>
"""


def index():
    return HEAD + FORM + END


def send(req, name="", comment="", attachment=None):
    if not name or not comment:
        return HEAD + "<h1>Something is missing</h1>\n<p>Please go back and fill in both fields.</p>\n" + END
    rows = [("Name", name), ("Comment", comment)]
    if attachment is not None and attachment.filename:
        rows.append(("File", f"{attachment.filename}, {len(attachment.value)} bytes of {attachment.type}"))
    answer = "".join(f"<dt>{title}</dt><dd>{html.escape(text)}</dd>\n" for title, text in rows)
    return HEAD + f"<h1>Thank you, {html.escape(name)}</h1>\n<dl>\n{answer}</dl>\n" + END


def count(req, to="5"):
    """A generator: what it yields is sent as it comes."""
    import time

    req.content_type = "text/plain; charset=utf-8"
    for number in range(1, min(int(to), 10) + 1):
        yield f"{number}\n"
        time.sleep(0.3)
