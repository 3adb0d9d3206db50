"""DirectoryIndex, DirectorySlash, FallbackResource and their kin: requests for directories (httpd's mod_dir)."""

from __future__ import annotations

from mpserver.config.settings import Setting

#: The names to look for, in their order; () with "DirectoryIndex disabled".
DIRECTORY_INDEX: Setting[tuple[str, ...]] = Setting("DirectoryIndex", ("index.html",))
#: Whether a directory without its trailing slash is redirected to the one with.
DIRECTORY_SLASH = Setting("DirectorySlash", True)
#: Whether no index is looked for where a handler other than the directory's own is configured; the redirect to the
#: name with a slash comes before that, and is not affected.
DIRECTORY_CHECK_HANDLER = Setting("DirectoryCheckHandler", False)
#: The status that leads to an index file (DirectoryIndexRedirect); 0: it is served in the directory's place.
INDEX_REDIRECT = Setting("DirectoryIndexRedirect", 0)
#: The path of a URI that answers for files that are not there and directories without an index; "": nothing does.
FALLBACK = Setting("FallbackResource", "")

#: The module that lists directories, as LoadModule names it.
AUTOINDEX = "autoindex_module"
