from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound
from pyramid.response import FileResponse, Response
from pyramid.session import SignedCookieSessionFactory


def index(request):
    return Response(f"index of {request.application_url.partition('//')[0]}")


def form(request):
    return {"text": request.POST["text"], "size": len(request.POST["upload"].file.read())}


def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return Response(str(request.session["count"]))


with Configurator(session_factory=SignedCookieSessionFactory("only for this")) as config:
    for name, view, options in (
        ("", index, {}),
        ("form", form, {"renderer": "json"}),
        ("count", count, {}),
        ("file", lambda request: FileResponse(__file__, request), {}),
        ("moved", lambda request: HTTPFound("/"), {}),
    ):
        config.add_route(name or "index", "/" + name)
        config.add_view(view, route_name=name or "index", **options)
    application = config.make_wsgi_app()
