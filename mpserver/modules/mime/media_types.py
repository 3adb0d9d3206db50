"""Media types of file name extensions: a table of our own, and files in the format of mime.types.

The table is for systems without ``/etc/mime.types``: what a web site is made of, and the
documents and media that people put there. Types are those of IANA's registry where it has them.
"""

from __future__ import annotations

import os

from mpserver.errors import is_crowded

#: Where systems keep their list.
SYSTEM_FILE = "/etc/mime.types"

#: One type a line, then its extensions, as in mime.types.
BUILT_IN = """\
application/atom+xml atom
application/epub+zip epub
application/gzip gz tgz
application/java-archive jar
application/json json map
application/ld+json jsonld
application/manifest+json webmanifest
application/msword doc dot
application/octet-stream bin deb dmg iso img msi
application/ogg ogx
application/pdf pdf
application/pgp-signature asc sig
application/postscript ai eps ps
application/rss+xml rss
application/rtf rtf
application/sql sql
application/vnd.ms-excel xls xlt
application/vnd.ms-fontobject eot
application/vnd.ms-powerpoint ppt pps
application/vnd.oasis.opendocument.graphics odg
application/vnd.oasis.opendocument.presentation odp
application/vnd.oasis.opendocument.spreadsheet ods
application/vnd.oasis.opendocument.text odt
application/vnd.openxmlformats-officedocument.presentationml.presentation pptx
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx
application/vnd.openxmlformats-officedocument.wordprocessingml.document docx
application/wasm wasm
application/x-7z-compressed 7z
application/x-bzip2 bz2
application/x-rar-compressed rar
application/x-rpm rpm
application/x-sh sh
application/x-tar tar
application/x-xz xz
application/xhtml+xml xhtml xht
application/xml xml xsd
application/xslt+xml xslt xsl
application/zip zip
application/zstd zst
audio/aac aac
audio/flac flac
audio/midi mid midi
audio/mp4 m4a
audio/mpeg mp3 mp2 mpga
audio/ogg ogg oga opus spx
audio/wav wav
audio/webm weba
font/otf otf
font/ttf ttf
font/woff woff
font/woff2 woff2
image/apng apng
image/avif avif
image/bmp bmp
image/gif gif
image/heic heic
image/jpeg jpg jpeg jpe
image/jxl jxl
image/png png
image/svg+xml svg svgz
image/tiff tif tiff
image/vnd.microsoft.icon ico
image/webp webp
message/rfc822 eml
model/gltf+json gltf
model/gltf-binary glb
text/calendar ics
text/css css
text/csv csv
text/html html htm shtml
text/javascript js mjs
text/markdown md markdown
text/plain txt text log conf ini
text/tab-separated-values tsv
text/vcard vcf
text/vtt vtt
text/x-c c h
text/x-diff diff patch
text/x-python py
video/mp2t ts
video/mp4 mp4 m4v
video/mpeg mpeg mpg
video/ogg ogv
video/quicktime mov qt
video/webm webm
video/x-matroska mkv
video/x-msvideo avi
"""


def parse_types(text: str) -> dict[str, str]:
    """The types by lower-case extension of a text in the format of mime.types."""
    table: dict[str, str] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        for extension in words[1:]:
            table[extension.lower().lstrip(".")] = words[0]
    return table


class TypesFile:
    """A mime.types file, read when first asked; None: the system's, or else our own table.

    What could not be read then counts as empty: the start has checked it (see ``TypesConfig``).
    """

    __slots__ = ("_table", "path")

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._table: dict[str, str] | None = None

    def to_plain(self) -> tuple[str | None]:
        """What `from_plain` makes the same of, see `mpserver.config.plain`."""
        return (self.path,)

    @classmethod
    def from_plain(cls, path: str | None) -> TypesFile:
        """The inverse of `to_plain`."""
        return cls(path)

    @property
    def table(self) -> dict[str, str]:
        """The types by lower-case extension."""
        return self.read() if self._table is None else self._table

    def read(self) -> dict[str, str]:
        """Read the file now, for all processes that will be forked from this one. :returns: the table."""
        path = self.path
        if path is None:
            path = SYSTEM_FILE if os.path.isfile(SYSTEM_FILE) and os.path.getsize(SYSTEM_FILE) else ""
        text = BUILT_IN
        if path:
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    text = file.read()
            except OSError as error:
                if is_crowded(error):
                    raise  # the next request finds it
                text = ""
        self._table = parse_types(text)
        return self._table
