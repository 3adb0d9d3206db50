"""The pages of the shop."""

from django.http import HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_POST

GOODS = {"tea": 4, "milk": 1, "bread": 3}


def index(request):
    basket = request.session.get("basket", [])
    found = {"goods": GOODS, "basket": basket, "total": sum(GOODS[name] for name in basket)}
    return render(request, "index.html", found)


@require_POST
def add(request):
    name = request.POST.get("name")
    if name not in GOODS:
        return HttpResponseBadRequest("There is no such thing here.")
    request.session["basket"] = [*request.session.get("basket", []), name]
    return redirect("index")


urlpatterns = [path("", index, name="index"), path("add", add, name="add")]
