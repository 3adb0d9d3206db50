"""A handler that needs an extension module which refuses isolated subinterpreters; so processes serve it."""

import html
import os
import sys
import time

import psutil
from layout import page, table

from mod_python import apache

#: So much of the end of the log is looked at, in bytes.
END = 1 << 20


def handler(req):
    memory, load = psutil.virtual_memory(), " ".join(f"{value:.2f}" for value in psutil.getloadavg())
    mine = psutil.Process()
    rows = [
        ("This process", f"{mine.pid}, a child of {mine.ppid()}: <code>{html.escape(mine.cmdline()[0])}</code>"),
        ("Lives since", f"{time.time() - mine.create_time():.0f} s"),
        ("Processors", psutil.cpu_count()),
        ("Load", load),
        ("Memory in use", f"{memory.percent:.0f} % of {memory.total / 2**30:.1f} GiB"),
    ]
    req.content_type = "text/html; charset=utf-8"
    req.write(page("Moved to a process", _why(req) + table(rows)))
    return apache.OK


def _why(req):
    """What the error log says about this application, as HTML."""
    log = os.path.join(apache.server_root(), req.server.error_fname)
    mark = f"interpreter '{apache.interpreter}': "
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.path.getsize(log) - END))
            found = [line for line in file.read().decode("utf-8", "replace").splitlines() if mark in line]
    except OSError as error:
        return f"<p>Why, tells the error log, <code>{html.escape(log)}</code> ({html.escape(error.strerror)}).</p>\n"
    if not found:
        version = ".".join(map(str, sys.version_info[:2]))
        return (
            f"<p>With Python {version} every application is served by a process of its own. With 3.14 only those are\n"
            "that need it, as this one does: its extension module <code>psutil</code> refuses subinterpreters.</p>\n"
        )
    return (
        "<p>This application imports <code>psutil</code>, an extension module that refuses isolated subinterpreters.\n"
        "Nobody had to say so in the configuration: the server noticed, moved the application, and wrote this line\n"
        f"into the log.</p>\n<pre>{html.escape(found[-1])}</pre>\n"
    )
