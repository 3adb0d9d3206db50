"""The names of httpd's expressions: operators, functions and variables ("Expressions in Apache HTTP Server").

What they do is in `mpserver.modules.expressions`.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Operators with one operand. (-R has a network, which is read at once.)
UNARY = frozenset(("-n", "-z", "-T", "-d", "-e", "-f", "-s", "-L", "-h", "-x", "-A", "-U"))

#: Those among them that ask for another resource of the server.
OF_RESOURCES = frozenset(("-A", "-U"))

#: Operators with two; numbers may have a hyphen before theirs.
BINARY = frozenset(
    ("=", "==", "!=", "<", "<=", ">", ">=", "eq", "ne", "lt", "le", "gt", "ge", "-strmatch", "-strcmatch", "-fnmatch")
)

#: Functions; ``v`` is that of pages alone.
FUNCTIONS = frozenset(
    ("v", "env", "reqenv", "osenv", "note", "req", "http", "req_novary", "resp", "tolower", "toupper", "escape",
     "unescape", "base64", "unbase64", "md5", "sha1", "file", "filesize", "filemod", "ldap")
)  # fmt: skip

#: What conditions of health checks have besides: the answer's body (httpd's mod_proxy_hcheck).
FUNCTIONS_OF_ANSWERS = frozenset(("hc",))
VARIABLES_OF_ANSWERS = frozenset(("HC_BODY",))

#: Those that pages don't have: whoever writes a page must not read files with it.
RESTRICTED = frozenset(("file", "filesize", "filemod"))

#: Second names of functions, and those in pages, whose variables are in one table.
MEANS: Mapping[str, str] = {"http": "req"}
MEANS_IN_PAGES: Mapping[str, str] = {**MEANS, "env": "v", "reqenv": "v"}

#: The request's headers among the variables.
HEADERS: Mapping[str, str] = {
    "HTTP_ACCEPT": "accept",
    "HTTP_COOKIE": "cookie",
    "HTTP_FORWARDED": "forwarded",
    "HTTP_HOST": "host",
    "HTTP_PROXY_CONNECTION": "proxy-connection",
    "HTTP_REFERER": "referer",
    "HTTP_USER_AGENT": "user-agent",
}

#: What the variables of an encrypted connection begin with.
VARIABLES_OF_SSL = ("SSL_",)

VARIABLES = frozenset(
    (
        *HEADERS,
        "API_VERSION", "AUTH_TYPE", "CONN_LOG_ID", "CONN_REMOTE_ADDR", "CONTENT_TYPE", "CONTEXT_DOCUMENT_ROOT",
        "CONTEXT_PREFIX", "DOCUMENT_ROOT", "DOCUMENT_URI", "HANDLER", "HTTP2", "HTTPS", "IPV6", "IS_SUBREQ",
        "LAST_MODIFIED", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_IDENT", "REMOTE_PORT",
        "REMOTE_USER", "REQUEST_FILENAME", "REQUEST_LOG_ID", "REQUEST_METHOD", "REQUEST_SCHEME", "REQUEST_STATUS",
        "REQUEST_URI", "SCRIPT_FILENAME", "SCRIPT_GROUP", "SCRIPT_USER", "SERVER_ADDR", "SERVER_ADMIN", "SERVER_NAME",
        "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_PROTOCOL_VERSION", "SERVER_PROTOCOL_VERSION_MAJOR",
        "SERVER_PROTOCOL_VERSION_MINOR", "SERVER_SOFTWARE", "THE_REQUEST", "TIME", "TIME_DAY", "TIME_HOUR", "TIME_MIN",
        "TIME_MON", "TIME_SEC", "TIME_WDAY", "TIME_YEAR",
    )
)  # fmt: skip
