import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, Http404, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import path, reverse

HERE = os.path.dirname(os.path.abspath(__file__))

if not settings.configured:
    settings.configure(
        SECRET_KEY="only for tests",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        DEBUG=False,
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(HERE, "db.sqlite3")}},
        CSRF_TRUSTED_ORIGINS=[],
        USE_TZ=True,
    )


def index(request):
    return HttpResponse("index of " + request.META["SCRIPT_NAME"])


def hello(request, name):
    found = {"hello": name, "url": reverse("hello", args=[name]), "external": request.build_absolute_uri("/")}
    return JsonResponse(found)


def form(request):
    upload = request.FILES["upload"]
    return JsonResponse({"text": request.POST["text"], "file": upload.name, "size": upload.size})


form.csrf_exempt = True


def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse(str(request.session["count"]))


def stream(request):
    return StreamingHttpResponse((f"{request.path} {number}\n" for number in range(3)), content_type="text/plain")


def file(request):
    return FileResponse(open(__file__, "rb"), content_type="text/x-python")


def moved(request):
    return HttpResponseRedirect(reverse("index"))


def missing(request):
    raise Http404("no such thing")


def fails(request):
    raise LookupError("a fault of the view")


def database(request):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("select 6 * 7")
        return HttpResponse(str(cursor.fetchone()[0]))


urlpatterns = [
    path("", index, name="index"),
    path("hello/<str:name>", hello, name="hello"),
    path("form", form),
    path("count", count),
    path("stream", stream),
    path("file", file),
    path("moved", moved),
    path("teapot", missing),
    path("fails", fails),
    path("database", database),
]

application = get_wsgi_application()
