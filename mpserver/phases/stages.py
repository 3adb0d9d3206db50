"""Where a request goes on that has been in another interpreter before (`mpserver.phases.moved`)."""

from __future__ import annotations

from mpserver.enumeration import IntEnum


class Stage(IntEnum):
    """Where a request goes on in the other interpreter."""

    #: In a step of its plan.
    STEPS = 0
    #: With its content.
    CONTENT = 1
    #: With all phases, the post-read-request handlers first: it was redirected to.
    READ = 2
    #: With translation; its resource is not known.
    TRANSLATE = 3
    #: With looking for its resource, which no handler has decided on; or for the one that a handler has named.
    LOCATE = 4
    TRANSLATED = 5
    #: In a step after the answer: of the log handlers, or of the cleanup handlers.
    LOG = 6
    CLEANUP = 7
