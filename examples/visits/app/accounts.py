"""Lets those in whom a remote service knows: it gets their name and password, and its answer decides."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request

from mod_python import apache

#: Seconds that the service may take.
PATIENCE = 5


def authenhandler(req: apache.Request) -> int:
    """200 lets in, 401 and 403 do not; anything else is the service's fault, and said so."""
    password = req.get_basic_auth_pw()  # sets req.user, too
    if not req.user or password is None:
        return apache.HTTP_UNAUTHORIZED
    url = req.get_options()["accounts.url"]
    try:
        with urllib.request.urlopen(_question(url, req.user, password), timeout=PATIENCE) as answer:
            known = answer.status == 200
    except urllib.error.HTTPError as error:
        error.close()
        if error.code not in (401, 403):
            return _failed(req, url, error)
        known = False
    except OSError as error:
        return _failed(req, url, error)
    if not known:
        req.log_error(f"{url} does not know {req.user!r}, or not with that password", apache.APLOG_NOTICE)
    return apache.OK if known else apache.HTTP_UNAUTHORIZED


def _question(url: str, user: str, password: str) -> urllib.request.Request:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return urllib.request.Request(url, headers={"Authorization": f"Basic {pair}"})


def _failed(req: apache.Request, url: str, error: OSError) -> int:
    req.log_error(f"{url} can't be asked about {req.user!r}: {error}", apache.APLOG_ERR)
    return apache.HTTP_SERVICE_UNAVAILABLE
