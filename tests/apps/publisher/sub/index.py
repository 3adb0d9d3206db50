def index(req):
    return "sub index"


def obj(req):
    return "sub obj"
