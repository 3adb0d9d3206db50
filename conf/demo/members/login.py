"""Two handlers in one module: who may come in, and what is inside."""

import hmac
import html

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
    req.write(PAGE.format(user=html.escape(req.user), realm=html.escape(req.auth_name() or "")))
    return apache.OK


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Members</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<h1>Welcome, {user}</h1>
<p>You passed the <code>authenhandler</code> of <code>members/login.py</code> for the realm
<q>{realm}</q>. Your browser sends the name and the password along with every request from now on.</p>
<p><a href="/">Back to the start</a></p>
</body>
</html>
"""
