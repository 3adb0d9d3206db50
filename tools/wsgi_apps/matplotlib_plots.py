import io

import matplotlib

matplotlib.use("Agg")
from matplotlib.figure import Figure  # noqa: E402


def application(environ, start_response):
    figure = Figure()
    figure.subplots().plot([1, 3, 2])
    out = io.BytesIO()
    figure.savefig(out, format="png")
    start_response("200 OK", [("Content-Type", "image/png"), ("Content-Length", str(len(out.getvalue())))])
    return [out.getvalue()]
