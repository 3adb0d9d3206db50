import falcon


class Things:
    def on_get(self, req, resp):
        resp.media = {"query": req.params, "uri": req.relative_uri, "accepts": req.client_accepts_json}

    def on_post(self, req, resp):
        resp.status = falcon.HTTP_201
        resp.location = "/things/1"
        resp.media = {"got": req.get_media()}

    def on_put(self, req, resp):
        resp.media = {"size": len(req.bounded_stream.read()), "length": req.content_length}


class Upload:
    def on_post(self, req, resp):
        resp.media = {part.name: len(part.stream.read()) for part in req.get_media()}


class Stream:
    def on_get(self, req, resp):
        resp.content_type = "text/plain"
        resp.stream = iter([b"one\n", b"two\n"])


application = falcon.App()
application.add_route("/things", Things())
application.add_route("/upload", Upload())
application.add_route("/stream", Stream())
