"""Asks for a name once, keeps it in the session, and counts the visits under it."""

from __future__ import annotations

import os
import time

from mod_python import Session, apache, psp, util

LONGEST = 40


def handler(req: apache.Request) -> int:
    """Show the form or the visitor's page; the form comes back here."""
    session = Session.Session(req)
    if req.method == "POST":
        return _posted(req, session)
    if "name" not in session:
        return _page(req, "name.psp", name="", error="")
    session["visits"] += 1
    session.save()
    return _page(req, "visitor.psp", session=session, since=time.ctime(session.created()))


def members(req: apache.Request) -> int:
    """Greet whom the authentication handler has let in."""
    return _page(req, "member.psp", name=req.user)


def _posted(req: apache.Request, session: Session.BaseSession) -> int:
    form = util.FieldStorage(req)
    if form.getfirst("leave") is not None:
        session.invalidate()
        util.redirect(req, "/visits")
    name = (form.getfirst("name") or "").strip()
    error = _wrong(name)
    if error:
        return _page(req, "name.psp", name=name, error=error)
    # Nobody who knew the id before the login knows it afterwards.
    session.invalidate()
    session = Session.Session(req)
    session["name"], session["visits"] = name, 0
    session.save()
    util.redirect(req, "/visits")


def _wrong(name: str) -> str:
    if not name:
        return "A name is needed."
    if len(name) > LONGEST:
        return f"{LONGEST} characters are enough for a name."
    return ""


def _page(req: apache.Request, template: str, **variables: object) -> int:
    req.content_type = "text/html; charset=utf-8"
    req.headers_out["Cache-Control"] = "no-store"
    psp.PSP(req, os.path.join(req.get_options()["visits.templates"], template), vars=variables).run()
    return apache.OK
