import gevent
from gevent.pool import Pool


def application(environ, start_response):
    found = Pool(3).map(lambda number: (gevent.sleep(0.01), number * number)[1], range(5))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(list(found)).encode()]
