"""Differences of filters that are meant; as `comparing.deliberate`."""

from __future__ import annotations

FRAME = "framing transfer-encoding content-length"
COPIED = "what a filter writes is kept until it is sent; there its memory may be used for something else before"
UNCLOSED = "a response is ended although its filter forgot to close; there its end is missing"
FAILED = (
    "a filter that fails makes a 500, or cuts what has begun; there its part is missing, or there is no answer at all"
)
AFTER = "nothing follows the end that a filter gave; there it goes onto the connection and spoils the next response"
INPUT = "all that input filters write can be read, also in parts; there as much as Content-Length says, and some of it overwritten"
BROKEN = "reading fails where an input filter failed; there it goes on with what the filter left"

DELIBERATE: tuple[tuple[str, str, str], ...] = (
    (
        r"^filters, handlers.*'a' \* 9000",
        FRAME,
        "a body that nobody flushed has its length up to 64 KiB; there up to 8000 bytes",
    ),
    (r"^filters, handlers.*internal_redirect", "rest body", AFTER),
    (
        r"^filters, handlers, no filter.*Range",
        "",
        "ranges are cut from files and from what filters made, not from handlers' answers",
    ),
    (
        r"^filters, .*Range: bytes=0-0,2-2",
        "content-type content-length body",
        "boundaries have another length, headers of parts capitals",
    ),
    (
        r"^filters, .*Range: bytes=900-",
        "framing content-range",
        "416 names the body's length (RFC 9110 15.5.17)",
    ),
    (
        r"^filters, output.*'filter\.disable\(\)'",
        f"{FRAME} body",
        "a filter that is disabled passes all on, as the manual says; there what it was called for is lost",
    ),
    (r"^filters, output.*(read\(4\)|readline\(2\)|trace\(filter\.closed\))", "body", COPIED),
    (r"^filters, output.*(read\((0|-1)\)|readline\(0\))", FRAME, UNCLOSED),
    (
        r"^filters, output.*read\(-5\)",
        f"{FRAME} body trace",
        "every negative length reads all, as the manual says",
    ),
    (r"^filters, output.*except Exception", "trace", "the same exception with a text of its own"),
    (
        r"^filters, output, file.*filter\.flush\(\)\\n",
        f"{FRAME} rest body",
        "a filter's flush sends the head, without the length that the file had",
    ),
    (
        r"^filters, output, file.*filter\.flush\(\); filter",
        f"{FRAME} rest body",
        "a filter's flush sends the head, without the length that the file had",
    ),
    (
        r"^filters, output, debug.*raise (ValueError|SystemExit)",
        f"{FRAME} body",
        "the page of a filter that fails has its end, and so has the response",
    ),
    (r"^filters, output.*'at eos'", FRAME, UNCLOSED),
    (r"^filters, output.*raise (ValueError|SystemExit)", "", FAILED),
    (r"^filters, output.*SERVER_RETURN", f"{FRAME} body", "what a filter wrote before SERVER_RETURN is sent"),
    (r"^filters, output.*filter\.close\(\)(\\n|['\"])", "rest body", AFTER),
    (r"^filters, output|^filters, kinds: /chain/silent", FRAME, UNCLOSED),
    (r"^filters, kinds|^filters, which: /(chain/page\.html|ext|ht)", "body", COPIED),
    (
        r"^filters, (which: /(chain/page\.txt|bytype)|by type)",
        "",
        "AddOutputFilterByType works with Python filters, too; there they don't find themselves",
    ),
    (r"^filters, two", "framing body trace", COPIED),
    (r"^filters, keep-alive", "", COPIED),
    (r"^filters, dynamic: .*DASH", "body", COPIED),
    (r"^filters, dynamic: .*sendfile", FRAME, "a file sent without flush has its length"),
    (
        r"^filters, (dynamic )?input.*(fails|debug\.py|raise ValueError|close\(\)\\nfilter|write\(5\))",
        "",
        BROKEN,
    ),
    (r"^filters, (dynamic )?input", "body trace content-length", INPUT),
)
