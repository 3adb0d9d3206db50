import lxml.etree


def application(environ, start_response):
    root = lxml.etree.fromstring(environ["wsgi.input"].read() or b"<a><b/></a>")
    root.set("seen", "yes")
    start_response("200 OK", [("Content-Type", "text/xml")])
    return [lxml.etree.tostring(root)]
