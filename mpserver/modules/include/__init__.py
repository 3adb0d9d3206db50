"""Server side includes (httpd's mod_include, and mod_python's element ``python``).

hooks      which responses are pages
filter     the output filter INCLUDES: a page and the server around it
page       what its elements do
variables  what they know
tags       how they are written
"""

from __future__ import annotations

from mpserver.config.settings import Setting

#: The filter's name, in lower case.
FILTER = "includes"

START_TAG = Setting("SSIStartTag", "<!--#")
END_TAG = Setting("SSIEndTag", "-->")
ERROR_MESSAGE = Setting("SSIErrorMsg", "[an error occurred while processing this directive]")
TIME_FORMAT = Setting("SSITimeFormat", "%A, %d-%b-%Y %H:%M:%S %Z")
UNDEFINED_ECHO = Setting("SSIUndefinedEcho", "(none)")
#: "off", "on" or "full".
X_BIT_HACK = Setting("XBitHack", "off")
#: Whether a page has the time of its file, and the entity tag.
LAST_MODIFIED = Setting("SSILastModified", False)
ETAG = Setting("SSIETag", False)
