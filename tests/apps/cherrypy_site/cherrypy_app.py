import os

import cherrypy


class Shop:
    @cherrypy.expose
    def index(self):
        return "the shop"

    @cherrypy.expose
    def item(self, number, colour="grey"):
        return f"item {number} in {colour}"


class Root:
    shop = Shop()

    @cherrypy.expose
    def index(self):
        return "index of CherryPy"

    @cherrypy.expose
    def hello(self, name="nobody"):
        cherrypy.response.headers["X-Greeting"] = "yes"
        return f"Hello, {name}"

    @cherrypy.expose
    def default(self, *path):
        if path[0] != "any":
            raise cherrypy.NotFound()
        return "/".join(path)

    @cherrypy.expose
    def form(self, text, upload):
        return f"{text}|{upload.filename}|{len(upload.file.read())}"

    @cherrypy.expose
    def raw(self):
        return str(len(cherrypy.request.body.read()))

    raw._cp_config = {"request.body.processors": {}}

    @cherrypy.expose
    def count(self):
        cherrypy.session["count"] = cherrypy.session.get("count", 0) + 1
        return str(cherrypy.session["count"])

    count._cp_config = {"tools.sessions.on": True}

    @cherrypy.expose
    def count_without_cleaner(self):
        return self.count()

    count_without_cleaner._cp_config = {"tools.sessions.on": True, "tools.sessions.clean_freq": 0}

    @cherrypy.expose
    def stream(self):
        cherrypy.response.headers["Content-Type"] = "text/plain"

        def pieces():
            for number in range(3):
                yield f"piece {number}\n"

        return pieces()

    stream._cp_config = {"response.stream": True}

    @cherrypy.expose
    def json(self):
        return {"a": [1, "Zoë"]}

    json._cp_config = {"tools.json_out.on": True}

    @cherrypy.expose
    def moved(self):
        raise cherrypy.HTTPRedirect("/hello?name=redirected")

    @cherrypy.expose
    def within(self):
        raise cherrypy.InternalRedirect("/hello", "name=inside")

    @cherrypy.expose
    def teapot(self):
        raise cherrypy.HTTPError(418, "short and stout")

    @cherrypy.expose
    def fails(self):
        raise LookupError("a fault of the page")

    @cherrypy.expose
    def cookies(self):
        cherrypy.response.cookie["one"] = "1"
        cherrypy.response.cookie["two"] = "2"
        return ",".join(sorted(cherrypy.request.cookie))

    @cherrypy.expose
    def whoami(self):
        request = cherrypy.request
        return f"{request.login} {request.remote.ip} {request.base} {request.scheme}"

    @cherrypy.expose
    def secret(self):
        return f"for {cherrypy.request.login}"

    secret._cp_config = {
        "tools.auth_basic.on": True,
        "tools.auth_basic.realm": "secrets",
        "tools.auth_basic.checkpassword": lambda realm, user, password: (user, password) == ("spam", "eggs"),
    }

    @cherrypy.expose
    def file(self):
        return cherrypy.lib.static.serve_file(__file__, content_type="text/x-python")


def setup_server():
    cherrypy.tree.mount(Root())
    log = os.path.join(os.path.dirname(__file__), "cherrypy.log")
    cherrypy.config.update({"environment": "production", "show_tracebacks": False, "log.error_file": log})
