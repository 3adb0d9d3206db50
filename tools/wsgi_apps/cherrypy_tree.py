import cherrypy


class Site:
    @cherrypy.expose
    def index(self):
        return "index"

    @cherrypy.expose
    def form(self, text="", upload=None):
        return f"{text} {len(upload.file.read()) if upload else 0}"

    @cherrypy.expose
    def count(self):
        cherrypy.session["count"] = cherrypy.session.get("count", 0) + 1
        return str(cherrypy.session["count"])

    @cherrypy.expose
    def moved(self):
        raise cherrypy.HTTPRedirect("/")


cherrypy.config.update({"environment": "embedded"})
application = cherrypy.Application(Site(), "", {"/": {"tools.sessions.on": True}})
