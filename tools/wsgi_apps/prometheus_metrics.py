from prometheus_client import CollectorRegistry, Counter, make_wsgi_app

registry = CollectorRegistry()
Counter("seen", "what was seen", registry=registry).inc(3)
application = make_wsgi_app(registry)
