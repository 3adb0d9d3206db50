import json

import numpy
import pandas


def application(environ, start_response):
    size = int(environ.get("CONTENT_LENGTH") or 0)
    numbers = json.loads(environ["wsgi.input"].read(size) or b"[1, 2]")
    frame = pandas.DataFrame({"a": numpy.array(numbers)})
    start_response("200 OK", [("Content-Type", "application/json")])
    return [frame.describe().to_json().encode()]
