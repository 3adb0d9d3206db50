"""The button of /side.html: a new release of the application /counter, as far as its interpreter can tell."""

import os

from mod_python import apache, util

RELEASE = os.path.join(os.environ["DEMO_DATA"], "release.py")


def handler(req):
    if req.method != "POST":
        req.allow_methods(["POST"], 1)
        return apache.HTTP_METHOD_NOT_ALLOWED
    os.utime(RELEASE)
    util.redirect(req, "/side.html")
