import io

from flask import Flask, Response, abort, redirect, request, send_file, session, stream_with_context, url_for

app = Flask(__name__)
app.secret_key = "only for tests"


@app.get("/")
def index():
    return "index of " + request.script_root


@app.get("/hello/<name>")
def hello(name):
    return {"hello": name, "url": url_for("hello", name=name), "external": url_for("index", _external=True)}


@app.post("/form")
def form():
    upload = request.files["upload"]
    return {"text": request.form["text"], "file": upload.filename, "size": len(upload.read())}


@app.get("/count")
def count():
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


@app.get("/stream")
def stream():
    def pieces():
        for number in range(3):
            yield f"{request.path} {number}\n"

    return Response(stream_with_context(pieces()), mimetype="text/plain")


@app.get("/file")
def file():
    return send_file(__file__, mimetype="text/x-python", conditional=True)


@app.get("/memory")
def memory():
    return send_file(io.BytesIO(b"x" * 100_000), mimetype="application/octet-stream")


@app.get("/moved")
def moved():
    return redirect(url_for("index"))


@app.get("/teapot")
def teapot():
    abort(418)


@app.get("/fails")
def fails():
    raise LookupError("a fault of the view")


@app.post("/chunks")
def chunks():
    return str(len(request.get_data()))
