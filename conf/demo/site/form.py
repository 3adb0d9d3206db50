"""Published: each function without an underscore is a page, and its parameters are the form's fields."""

import html

import layout  # (names of functions would be pages, too)

FORM = """<p>This page is <code>index()</code> of <code>site/form.py</code>; the button calls <code>send()</code>
with what you write.</p>
<form action="/form.py/send" method="post" enctype="multipart/form-data">
<label>Name <input name="name" required></label>
<label>Comment <textarea name="comment" rows="4" required></textarea></label>
<label>A file, if you like <input type="file" name="attachment"></label>
<button>Send</button>
</form>
"""


def index():
    return layout.page("Feedback", FORM)


def send(req, name="", comment="", attachment=None):
    if not name or not comment:
        return layout.page("Something is missing", "<p>Please go back and fill in both fields.</p>")
    rows = [("Name", name), ("Comment", comment)]
    if attachment is not None and attachment.filename:
        rows.append(("File", f"{attachment.filename}, {len(attachment.value)} bytes of {attachment.type}"))
    return layout.page(
        f"Thank you, {html.escape(name)}", layout.table((title, html.escape(text)) for title, text in rows)
    )


def count(req, to="5"):
    """A generator: what it yields is sent as it comes."""
    import time

    req.content_type = "text/plain; charset=utf-8"
    for number in range(1, min(int(to), 10) + 1):
        yield f"{number}\n"
        time.sleep(0.3)
