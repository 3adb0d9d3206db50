"""What a file's extensions say: type, handler, coding, languages, charset (httpd's mod_mime)."""

from __future__ import annotations

from mpserver.config.settings import Setting, update
from mpserver.modules.mime.media_types import TypesFile

#: By lower-case extension without dot; None: removed, whatever an outer scope says.
Extensions = dict[str, "str | None"]

ADD_TYPE: Setting[Extensions] = Setting("AddType", {}, update)
ADD_HANDLER: Setting[Extensions] = Setting("AddHandler", {}, update)
ADD_ENCODING: Setting[Extensions] = Setting("AddEncoding", {}, update)
ADD_LANGUAGE: Setting[Extensions] = Setting("AddLanguage", {}, update)
ADD_CHARSET: Setting[Extensions] = Setting("AddCharset", {}, update)
#: Names of filters, separated by semicolons, as `modules.values.filters` reads them.
ADD_INPUT_FILTER: Setting[Extensions] = Setting("AddInputFilter", {}, update)
ADD_OUTPUT_FILTER: Setting[Extensions] = Setting("AddOutputFilter", {}, update)
#: What a form of a document may have extensions for, beside types and their kin: "handlers", "filters", "any".
MULTIVIEWS_MATCH: Setting[tuple[str, ...]] = Setting("MultiviewsMatch", ())
DEFAULT_LANGUAGE: Setting[str | None] = Setting("DefaultLanguage", None)
#: One for the whole server, as in httpd; it lies in the main server's base, under all directories.
TYPES_CONFIG: Setting[TypesFile] = Setting("TypesConfig", TypesFile(None))
