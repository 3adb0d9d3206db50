def index(req):
    return "sub mod"
