from flask import Flask
from opentelemetry import trace
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

application = Flask(__name__)


@application.get("/")
def index():
    return type(trace.get_current_span()).__name__


application.wsgi_app = OpenTelemetryMiddleware(application.wsgi_app)
