"""A guestbook: the functions are pages of the publisher, what they show is in a page of PSP."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing

from mod_python import apache, psp, util

LONGEST = 500
NEWEST = 50


def index(req: apache.Request) -> str:
    """The entries, the newest first, and the form."""
    return _show(req)


def sign(req: apache.Request, name: str = "", text: str = "") -> str:
    """Take an entry. Who sends the form twice, or asks for this page without it, changes nothing."""
    name, text = name.strip(), text.strip()
    if req.method != "POST":
        util.redirect(req, "/")
    if not name or not text or len(name) + len(text) > LONGEST:
        req.status = apache.HTTP_BAD_REQUEST
        return _show(req, name, text, f"A name and a text are needed, together at most {LONGEST} characters.")
    with closing(_database(req)) as entries, entries:
        entries.execute("INSERT INTO entries VALUES (?, ?, ?)", (time.time(), name, text))
    util.redirect(req, "/")


def _show(req: apache.Request, name: str = "", text: str = "", error: str = "") -> str:
    """The page."""
    with closing(_database(req)) as entries:
        rows = entries.execute("SELECT * FROM entries ORDER BY at DESC LIMIT ?", (NEWEST,)).fetchall()
    req.content_type = "text/html; charset=utf-8"
    template = os.path.join(os.path.dirname(__file__), "page.psp")
    psp.PSP(req, template, vars={"rows": rows, "name": name, "text": text, "error": error}).run()
    return ""


def _database(req: apache.Request) -> sqlite3.Connection:
    """The database; all workers and interpreters have the same."""
    found = sqlite3.connect(req.get_options()["guestbook.file"], timeout=10)
    found.execute("CREATE TABLE IF NOT EXISTS entries (at REAL, name TEXT, text TEXT)")
    return found
