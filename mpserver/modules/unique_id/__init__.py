"""An id for each request, unlike all others (httpd's mod_unique_id)."""

from __future__ import annotations

from mpserver.config.settings import Setting

#: Whether requests get one: LoadModule says so.
ACTIVE = Setting("LoadModule unique_id_module", False)
