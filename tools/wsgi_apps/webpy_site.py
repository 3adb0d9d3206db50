import web


class Index:
    def GET(self):
        web.header("Content-Type", "text/plain")
        return "index " + web.input(name="nobody").name

    def POST(self):
        found = web.input(upload={})
        return f"{found.text} {len(found.upload.file.read())}"


class Moved:
    def GET(self):
        raise web.seeother("/")


application = web.application(("/", "Index", "/moved", "Moved"), globals()).wsgifunc()
