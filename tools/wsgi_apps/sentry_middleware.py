import sentry_sdk
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=lambda event: None, traces_sample_rate=1.0)


def site(environ, start_response):
    if environ["PATH_INFO"] == "/fails":
        raise LookupError("a fault of the page")
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one "
    yield b"two"


application = SentryWsgiMiddleware(site)
