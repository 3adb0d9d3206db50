"""How a handler ends early: ``apache.SERVER_RETURN`` (manual 4.2)."""


class SERVER_RETURN(Exception):
    """Raised by a handler in place of returning: ``SERVER_RETURN(result)`` or ``SERVER_RETURN(result, status)``.

    A true ``status`` is stored in ``req.status``; the result counts as if it had been returned.
    """
