"""What PEP 3333 forbids and other servers let pass: it is served, and said once; the option `STRICT` refuses it."""

from __future__ import annotations

from functools import lru_cache

from mod_python import apache
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: The option of the configuration that names the application, and the one that holds it to the PEP.
APPLICATION, STRICT = "mod_python.wsgi.application", "mod_python.wsgi.strict"

#: What the option may say.
BOOLEANS = {
    "on": True, "yes": True, "true": True, "1": True, "off": False, "no": False, "false": False, "0": False,
}  # fmt: skip


def is_strict(req: Request) -> bool:
    """Whether a request's application is held to the PEP. :raises ValueError: the option says neither yes nor no."""
    value = req.get_options().get(STRICT)
    if value is None:
        return False
    try:
        return BOOLEANS[value.lower()]
    except KeyError:
        raise ValueError(f"PythonOption {STRICT} {value}: write On or Off") from None


def tolerate(req: Request, oddity: str, refusal: Exception) -> None:
    """Let something pass that the PEP forbids; the log says so the first time that an application does it.

    :param oddity: what the application does, and what becomes of it.
    :raises Exception: ``refusal``, where the application is held to the PEP.
    """
    if is_strict(req):
        raise refusal
    application = req.get_options().get(APPLICATION) or req.uri
    mine = object()
    if _said(application).setdefault(oddity, mine) is mine:  # (atomic: threads that come here together log it once)
        req.log_error(
            f"the WSGI application {application} {oddity} (said once; PythonOption {STRICT} On makes it an error)",
            apache.APLOG_WARNING,
        )


@lru_cache(maxsize=1024)
def _said(application: str) -> dict[str, object]:
    """The oddities of an application that the log knows already."""
    return {}
