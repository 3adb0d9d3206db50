import io

from PIL import Image


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    picture = Image.open(io.BytesIO(body)) if body else Image.new("RGB", (400, 200), "red")
    out = io.BytesIO()
    picture.resize((20, 10)).save(out, "PNG")
    start_response("200 OK", [("Content-Type", "image/png")])
    out.seek(0)
    return environ["wsgi.file_wrapper"](out)
