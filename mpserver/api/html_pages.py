"""What pages about the server, which it makes itself, have in common."""

from __future__ import annotations

from mpserver.http1.html import escape

#: How such a page ends.
END = "</body>\n</html>\n"


def beginning(title: str, style: str) -> str:
    """A page down to its heading. ``title`` is HTML; ``style``: its style sheet."""
    return (
        "<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
        "<meta name=viewport content='width=device-width,initial-scale=1'>\n"
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    )


def escaped(text: str) -> str:
    """A text as it can stand anywhere in a page; what UTF-8 can't have is spelled out."""
    return escape(text.encode("utf-8", "backslashreplace").decode())
