"""A module with guards."""

__auth_realm__ = 'The "Members"'


def __auth__(req, user, password):
    return (user, password) in {("eggs", "spam"), ("joe", "eoj")}


def __access__(req, user):
    return user == "eggs"


def hello(req):
    return "hello %s" % req.user
