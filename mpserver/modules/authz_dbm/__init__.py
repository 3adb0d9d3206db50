"""Groups of users in databases (httpd's mod_authz_dbm)."""

from __future__ import annotations

from mpserver.config.settings import Setting
from mpserver.modules.databases import Database

GROUP_DATABASE: Setting[Database | None] = Setting("AuthDBMGroupFile", None)
