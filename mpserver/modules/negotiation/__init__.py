"""Choosing among forms of a document: MultiViews and type maps (httpd's mod_negotiation)."""

from __future__ import annotations

from mpserver.config.settings import Setting

#: The name of the handler for type maps.
HANDLER = "type-map"

#: Whether Options names MultiViews somewhere around: only then anybody has to look whether they are on.
MENTIONED = Setting("Options MultiViews", False)
#: Languages, lower case, the best first.
LANGUAGE_PRIORITY: Setting[tuple[str, ...]] = Setting("LanguagePriority", ())
#: Whether the priority decides among languages that the client likes alike, and where it likes none.
PREFER, FALL_BACK = "prefer", "fallback"
FORCE_LANGUAGE: Setting[tuple[str, ...]] = Setting("ForceLanguagePriority", (PREFER,))
#: Whether proxies of HTTP/1.0 may keep what was chosen. Server level.
CACHE_DOCUMENTS = Setting("CacheNegotiatedDocs", False)
