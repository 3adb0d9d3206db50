"""Objects with guards of every form."""


def plain(req):
    return "plain"


def closed(req, x=1, *, y=2):
    note = "locals before the guard"
    __auth__ = 0
    return note


def any_login(req):
    __auth__ = 1
    return "logged in"


def nobody(req):
    __access__ = 0
    return "never"


def everybody(req):
    __access__ = 1
    return "everybody"


def nested(req, x=1):
    y = 5

    def __auth__(req, user, password):
        return user == "spam" and password == "eggs" and known(user)

    def __access__(req, user):
        return user != "root"

    __auth_realm__ = "nested"
    return "nested %s" % y


def by_lambda(req):
    __auth__ = lambda req, user, password: user == "spam"
    return "by_lambda"


def unclear(req):
    __auth__ = {"spam": "eggs"}
    return "never"


def depends(req):
    __auth__ = req.args == "closed" and 0 or 1
    return "never"


def uses_a_local(req):
    users = ["spam"]

    def __auth__(req, user, password):
        return user in users

    return "never"


def known(user):
    return True


def attributes(req):
    return "attributes"


attributes.__auth__ = {"spam": "eggs"}
attributes.__access__ = ["spam"]


class K:
    __auth_realm__ = "K"

    def __auth__(self, req, user, password):
        return user == "k"

    def open(self, req):
        return "K.open"

    def shut(self, req):
        __access__ = 0
        return "never"


class L:
    __auth__ = {"spam": "eggs", "joe": "eoj", "zo\xeb": "\xe9"}
    __access__ = ["spam", "zo\xeb"]
    page = "L.page"


class M:
    __auth__ = None
    page = "M.page"


class N:
    __access__ = ["spam"]
    page = "N.page"


k, l, m, n = K(), L(), M(), N()
