"""Lets those through to another server who have logged in: an access handler, and the page where one logs in.

``python gate.py NAME`` asks for a password, and prints the line of the file of users.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import os
from urllib.parse import quote

from mod_python import Session, apache, util

PAGE = """<!DOCTYPE html>
<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width,initial-scale=1">
<title>Log in</title>
<style>:root{{color-scheme:light dark}}
body{{font:1rem/1.5 system-ui,sans-serif;max-width:20rem;margin:15vh auto;padding:1rem}}
input,button{{font:inherit;width:100%;box-sizing:border-box;margin:.25rem 0;padding:.4rem}}</style>
<h1>Log in</h1>
<p>{error}</p>
<form method=post><input type=hidden name=to value="{to}">
<label>Name <input name=name autocomplete=username required></label>
<label>Password <input name=password type=password autocomplete=current-password required></label>
<button>Log in</button></form>
"""


def accesshandler(req: apache.Request) -> int:
    """Let those through who have a session; others are sent to the page where they get one."""
    session = Session.Session(req, lock=0)
    user = session.get("user")
    if user is None:
        util.redirect(req, "/gate?to=" + quote(req.unparsed_uri))
    req.subprocess_env["GATE_USER"] = user
    return apache.OK


def open_to_all(req: apache.Request) -> int:
    """The gate itself is for everybody."""
    return apache.OK


def login(req: apache.Request) -> int:
    """Show the form, and take it."""
    form = util.FieldStorage(req)
    to = form.getfirst("to") or "/"
    if not to.startswith("/") or to.startswith("//") or "\\" in to:
        to = "/"  # (not to another site, whatever a link says)
    error = ""
    if req.method == "POST":
        name = form.getfirst("name") or ""
        if is_right(req.get_options()["gate.users"], name, form.getfirst("password") or ""):
            Session.Session(req).invalidate()  # (nobody who knew the id before the login knows it afterwards)
            session = Session.Session(req)
            session["user"] = name
            session.save()
            util.redirect(req, to)
        error, req.status = "There is no such user, or not with this password.", apache.HTTP_FORBIDDEN
    req.content_type = "text/html; charset=utf-8"
    req.headers_out["Cache-Control"] = "no-store"
    req.write(PAGE.format(error=error, to=html.escape(to)))
    return apache.OK


def is_right(users: str, name: str, password: str) -> bool:
    """Whether a file of users has the name with this password. Who is not in it costs as much time as others."""
    salt, wanted = os.urandom(16), b""
    with open(users, encoding="utf-8") as lines:
        for line in lines:
            user, _, rest = line.strip().partition(":")
            if user == name:
                salt, wanted = (bytes.fromhex(part) for part in rest.split(":"))
    return hmac.compare_digest(hashed(password, salt), wanted)


def hashed(password: str, salt: bytes) -> bytes:
    """What is kept of a password."""
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << 14, r=8, p=1)


def entry(name: str, password: str) -> str:
    """The line for a user."""
    salt = os.urandom(16)
    return f"{name}:{salt.hex()}:{hashed(password, salt).hex()}"


if __name__ == "__main__":
    import getpass
    import sys

    print(entry(sys.argv[1], getpass.getpass()))
