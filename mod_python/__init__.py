"""mod_python for applications: what the manual's chapter 4 names, on top of mpserver.

``mp_version`` is the version of mod_python whose interface this is. The package can be imported
outside a server too; what needs one says so when it is used.
"""

from mod_python import apache, version

mp_version = version.version

__all__ = [
    "Cookie", "Session", "apache", "cgihandler", "httpdconf", "mp_version", "psp", "publisher", "testhandler", "util",
    "version", "wsgi",
]  # fmt: skip
