"""For tests of applications: a server on a free port, requests to handlers without one, and a plugin for pytest.

``docs/testing.md`` tells how they are used.
"""

from mpserver.testing.bench import Bench
from mpserver.testing.reply import Reply
from mpserver.testing.server import KINDS, Server

__all__ = ["KINDS", "Bench", "Reply", "Server"]
