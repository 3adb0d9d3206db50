"""A curve as a picture, computed by numpy: /curve?n=3."""

import numpy

from mod_python import apache, util

SIZE = 400


def handler(req):
    try:
        n = int(util.FieldStorage(req).getfirst("n", "3"))
    except ValueError:
        return apache.HTTP_BAD_REQUEST
    if not 0 < n <= 20:
        return apache.HTTP_BAD_REQUEST
    turn = numpy.linspace(0, 2 * numpy.pi, 721)
    points = (1 + numpy.array([numpy.sin(n * turn), numpy.cos((n + 1) * turn)]).T) * (SIZE / 2)
    req.content_type = "image/svg+xml"
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    req.write(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 -10 {SIZE + 20} {SIZE + 20}">'
        f'<polyline points="{line}" fill="none" stroke="#0b5cad" stroke-width="2"/></svg>\n'
    )
    return apache.OK
