"""Two handlers in one module: who may come in, and what is inside."""

import hmac
import html

from layout import page

from mod_python import apache

PASSWORDS = {"spam": "eggs"}


def authenhandler(req):
    password = req.get_basic_auth_pw()  # sets req.user, too
    expected = PASSWORDS.get(req.user)
    if expected is not None and password and hmac.compare_digest(expected.encode(), password.encode()):
        return apache.OK
    return apache.HTTP_UNAUTHORIZED


def handler(req):
    req.content_type = "text/html; charset=utf-8"
    req.write(page(f"Welcome, {html.escape(req.user)}", BODY.format(realm=html.escape(req.auth_name() or ""))))
    return apache.OK


BODY = """<p>You passed the <code>authenhandler</code> of <code>members/login.py</code> for the realm
<q>{realm}</q>. Your browser sends the name and the password along with every request from now on.</p>"""
