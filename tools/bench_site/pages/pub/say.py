"""A published function."""


def say(req, what="NOTHING"):
    """Answer in a few words."""
    return "I am saying %s" % what
