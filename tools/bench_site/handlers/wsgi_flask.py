"""The smallest Flask application; it answers at every path, so that it does not matter where it is mounted."""

from flask import Flask

application = Flask(__name__)


@application.route("/", defaults={"path": ""})
@application.route("/<path:path>")
def hello(path):
    return "Hello World!"
