"""Differences that are meant: a pattern for ``group: name``, the aspects that may differ ("": all), the reason."""

from __future__ import annotations

#: Each is checked in this order; the pattern is searched for.
DELIBERATE: tuple[tuple[str, str, str], ...] = (
    # what stands around it here
    (
        r"deeds: (user, then declined|both decline authentication|gate: declined|nobody asks)",
        "",
        "where all handlers decline, Basic authentication asks for a password: mod_auth_basic is always there",
    ),
    (
        r"deeds: AddHandler, declines|files and folders: /pyindex/",
        "",
        "sources are not sent where no handler takes them (SourceProtection)",
    ),
    # what the published one gets wrong
    (
        r"CGI variables: GET /eval/a\.txt/in/fo\?x=1|error documents: its CGI variables",
        "body",
        "REQUEST_URI is the target as the client sent it, with its query; there the decoded path, and without it",
    ),
    (
        r"chunked bodies",
        "",
        "chunked request bodies are read; the published one answers 411, for no reason of the protocol",
    ),
    (
        r"bodies: POST|no body: GET",
        "body",
        "remaining, read_length and read_body tell what was read so far; there they tell of its buffer",
    ),
    (
        r"PythonHandlerModule|/silent/",
        "",
        "a module of PythonHandlerModule need not have a function for each phase; there a missing one is a 500",
    ),
    (
        r"is_virtual|s = s\.next",
        "body",
        "is_virtual is 1; there it is whatever lies in memory beside the flag",
    ),
    (r"finfo\[12\]", "body", "FINFO_FILETYPE is an index, too, as the constant promises"),
    (r"repr\(t\)", "body", "repr() of a table has its pairs in their order"),
    (
        r"t == |t\.update\(|table\(None\)|copy\.copy",
        "",
        "tables compare with anything, without case, and update() takes what the constructor takes",
    ),
    (
        r"class S\(str\)|class M\(",
        "body",
        "subclasses of str may be stored, and a copy of a table's subclass is one, too",
    ),
    (r"x\\\\0y", "body", "a NUL character is refused; there the value ends before it, silently"),
    (
        r"t\['a'\] = '\\\\u20ac'",
        "",
        "tables that are not sent as headers hold any text; there only ISO-8859-1",
    ),
    (
        r"req\.notes|what the second sees",
        "body",
        "notes hold what applications put there, nothing of the server's own; listing them fails there",
    ),
    (
        r"get_options\(\)",
        "body",
        "a removed option never shows; there its empty value does where nothing is inherited",
    ),
    (
        r"internal redirects: .* after it|for ever|to a folder|req\.internal_redirect\(",
        "rest",
        "what is written after a complete response is dropped; there it goes onto the connection and spoils the next one",
    ),
    (
        r"log handler writes",
        "rest",
        "what is written after a complete response is dropped; there it goes onto the connection and spoils the next one",
    ),
    (
        r"internal redirects: body begun",
        "body",
        "a redirect goes on reading the body where the first request left it; there the rest is lost",
    ),
    (
        r"set_content_length\((3|-5)\)",
        "",
        "what exceeds Content-Length is cut, a negative one is ignored: it would be taken for the next response",
    ),
    (
        r"'Transfer-Encoding'",
        "",
        "a transfer coding that nobody knows is left out; there it makes a 500",
    ),
    (r"req\.status = 10[01]|result = 100", "", "1xx is no final status"),
    (r"result = 418", "status body", "418 is a constant of the API, so it is sent"),
    (r"ErrorDocument after output", "", "the page follows what was sent; there the connection breaks"),
    (r"fixup changes the file", "", "the new file is sent whole; there with the length of the old one"),
    (
        r"hlist\.next\(\)",
        "framing body",
        "hlist.next() moves the application's list alone; there it makes the running phase fail",
    ),
    (
        r"adds (content|log) early|adds a log handler$",
        "body trace",
        "handlers added for a later phase run in it, as the manual says (4.5.3); there some are lost",
    ),
    (
        r"/place/perdir/",
        "body",
        "without a file the interpreter is main_interpreter, as documented; there what the last look-up left",
    ),
    (
        r"kinds of handlers: called",
        "",
        "an instance with __call__ is a handler; there only its creation counts, which is a 500",
    ),
    # what this server does on purpose
    (
        r"cut bodies",
        "",
        "a short body is awaited before the handler runs, so its Timeout is a 408 and no handler's trouble",
    ),
    (
        r"keep-alive: Expect(, not read)?$",
        "",
        "100 is not sent where the body is here already; a chunked answer tells its end before the connection closes",
    ),
    (
        r"closed by the handler|connection\.keepalive = 1",
        "framing transfer-encoding",
        "a closing response is chunked, too, so that its end is seen",
    ),
    (
        r"keep-alive: unread|request methods",
        "framing transfer-encoding content-length",
        "a short flushed answer that ends at once has its length; there it is chunked",
    ),
    (
        r"keep-alive: (other server|limit)",
        "",
        "a short flushed answer that ends at once has its length; there it is chunked",
    ),
    (
        r"debug page",
        "framing transfer-encoding content-length",
        "the page of PythonDebug leaves as a whole, with its length",
    ),
    (
        r"TRACE",
        "framing transfer-encoding content-length trace",
        "TRACE is answered with its length, and logged as other requests",
    ),
    (r"ranges: bytes=900-", "framing content-range", "416 names the file's length (RFC 9110 15.5.17)"),
    (
        r"ranges: bytes=0-1,4-5",
        "content-length body",
        "the fields of a part are spelled as in the RFC, its boundary is longer",
    ),
    (r"'Vary'", "vary", "two Vary lines mean the same as one"),
    (
        r"401",
        "www-authenticate",
        "a 401 has a challenge (RFC 9110 15.5.2), as httpd adds it with mod_auth_basic",
    ),
    (
        r"gate: wrong user",
        "www-authenticate",
        "a 401 has a challenge (RFC 9110 15.5.2), as httpd adds it with mod_auth_basic",
    ),
    (
        r"/rules/page\.html|html|second handler 404",
        "trace",
        "PythonTypeHandlers run before mod_mime; there the order of LoadModule decides",
    ),
    (
        r"deeds: an (index|internal redirect)",
        "trace",
        "PythonTypeHandlers run before mod_mime; there the order of LoadModule decides",
    ),
    (
        r"merging: /handled/x",
        "body trace",
        "below a Location with handlers no Directory counts; there a LocationMatch that matches, too, brings them back",
    ),
    (
        r"allow_methods|\.allowed",
        "body allow",
        "allowed and allowed_methods tell what allow_methods() was given, as the manual has them; there extensions only",
    ),
    (r"requires\(\)", "body", "requires() works as in the manual; there it went with httpd 2.2"),
    (
        r"write\('x', |write\(string=|flush=0|path=req",
        "body",
        "arguments may be given by the names that the manual has, and flush is any truth value",
    ),
    (r"req\.connection\.own = 1", "", "any attribute may be set on the connection, as on the request"),
    (r"apache\.table\(a=1\)", "body", "tables are made and updated in all ways that a dict is"),
    (r"'x' \* 20000", "body", "unflushed output waits up to 64 KiB; there up to 8 KiB"),
    (r"bytes_sent, req\.sent_bodyct", "trace", "nothing of a HEAD's body is counted as sent"),
    # forms, cookies and pages
    (r"forms: no disposition", "body", "a part without a Content-Disposition is a field without a name; there a 500"),
    (r"forms: blanks behind", "body", "blanks may follow a boundary (RFC 2046 5.1.1); there the part is lost"),
    (
        r"forms: a query that is not UTF-8",
        "body",
        "what is not UTF-8 in a form is read as ISO-8859-1, so nothing is lost; there it becomes U+FFFD",
    ),
    (r'cookies: a="x"y', "body", "what follows a quoted value up to the semicolon belongs to it; there it is a cookie"),
    (r"cookies: =x", "body", "a value without a name is no cookie: it could pose as any; there it is the name of one"),
    (r"pages: .*# one", "", "a comment in a page's code ends with it; there it swallows the text behind it"),
    (
        r"util and Cookie: .*redirect",
        "",
        "the page of a redirect is HTML and has its length; there it is of the file's type",
    ),
)

#: Differences that are meant and that no request is sent for.
UNASKED: tuple[str, ...] = (
    "fields of forms are str, files bytes; there all is bytes",
    "SignedCookie and MarshalCookie work; there they fail on Python 3",
    "`<%@ include file='name' %>` includes; there only double quotes do, and all others are ignored without a word",
    "blanks before `%>` count twice only where the text would not stand right else; there always, which is an IndentationError",
    "a page's `session` and `form` are its own names, and attributes of req and psp; there any attribute of that name counts",
    "a page that ends in psp.redirect() saves its session; there what it put into it is lost",
    "a sessions' database is SQLite, whichever dbm modules Python has; a file that another of them has made is used on",
    "a sessions' database in a folder that others can write to is kept in a private folder of it, or refused",
    "cleanup of expired sessions runs after the session's lock is given back; there others wait for it",
    "the publisher streams iterators and views of mappings; there their repr() is sent",
    "a module whose file is gone is not served; there it goes on until its process ends, and changed ones do as well",
)
