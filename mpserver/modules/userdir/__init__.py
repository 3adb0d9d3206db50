"""UserDir: what ``/~user`` stands for (httpd's mod_userdir)."""

from __future__ import annotations

from mpserver.config.settings import Setting, append

#: Where users' documents lie, tried in this order: below their home directories, below a directory, or in the place of
#: a ``*``; () for nowhere.
PLACES: Setting[tuple[str, ...]] = Setting("UserDir", ())
#: Whether only those users have such a directory who are enabled by name.
CLOSED = Setting("UserDir disabled", False)
ENABLED: Setting[tuple[str, ...]] = Setting("UserDir enabled", (), append)
DISABLED: Setting[tuple[str, ...]] = Setting("UserDir disabled for some", (), append)
