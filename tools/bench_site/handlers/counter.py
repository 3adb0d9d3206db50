"""A counter in a session, kept in each of the ways."""

from mod_python import Session, apache


def _count(req, session):
    session["hits"] = session.get("hits", 0) + 1
    session.save()
    req.content_type = "text/plain"
    req.write("Hits: %d\n" % session["hits"], 0)
    return apache.OK


def file(req):
    """In a file for each session."""
    return _count(req, Session.FileSession(req))


def dbm(req):
    """In a database."""
    return _count(req, Session.DbmSession(req))


def memory(req):
    """In the interpreter's memory."""
    return _count(req, Session.MemorySession(req))
