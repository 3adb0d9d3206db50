import os

from paste.cascade import Cascade
from paste.httpexceptions import HTTPExceptionHandler, HTTPForbidden
from paste.request import parse_formvars
from paste.urlmap import URLMap
from paste.urlparser import StaticURLParser


def form(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [repr(sorted(parse_formvars(environ).items())).encode()]


def closed(environ, start_response):
    raise HTTPForbidden("not for you")


places = URLMap()
places["/form"] = form
places["/closed"] = closed
application = HTTPExceptionHandler(Cascade([StaticURLParser(os.environ["DATA"]), places]))
