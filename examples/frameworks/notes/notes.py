"""Notes, each with an address of its own; they live as long as the interpreter does."""

from flask import Flask, abort, redirect, render_template_string, request, url_for

app = Flask(__name__)
notes: list[str] = []

PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Notes</title>
<link rel="stylesheet" href="/shop/static/style.css">
<h1>Notes</h1>
<ol>{% for note in notes %}<li><a href="{{ url_for('show', number=loop.index) }}">{{ note }}</a></li>{% endfor %}</ol>
<form method="post"><input name="text" required> <button>Write</button></form>
</html>
"""


@app.get("/")
def index():
    return render_template_string(PAGE, notes=notes)


@app.post("/")
def write():
    notes.append(request.form["text"])
    return redirect(url_for("show", number=len(notes)))


@app.get("/<int:number>")
def show(number):
    if not 0 < number <= len(notes):
        abort(404)
    return {"note": notes[number - 1], "all": url_for("index")}
