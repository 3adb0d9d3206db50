"""Type maps: files that list the forms of a document (httpd manual, "Content Negotiation": using a type-map file)."""

from __future__ import annotations

from mpserver.modules.negotiation.choosing import Variant, quality

#: Those of the bytes that are blanks: `str.strip` would take parts of UTF-8 for others.
BLANKS = " \t"


def read(data: bytes) -> list[Variant]:
    """The forms that a map lists; records without a type or a place are none.

    :raises ValueError: a line is no header, or a body does not end.
    """
    variants = []
    for fields, body in _records(data):
        media, parameters = _media(fields.get("content-type", ""))
        name = [word for word in fields.get("uri", "").replace("\t", " ").split(" ") if word]
        if not media or (not name and body is None):
            continue
        languages = tuple(
            word.strip().lower() for word in fields.get("content-language", "").split(",") if word.strip()
        )
        length = fields.get("content-length", "")
        variants.append(
            Variant(
                name[0] if name else "",
                media,
                languages,
                fields.get("content-encoding", "").strip().lower(),
                parameters.get("charset", ""),
                int(length) if length.isascii() and length.isdecimal() and len(length) < 19 else len(body or b"") or -1,
                quality(parameters.get("qs", "1")),
                int(parameters["level"]) if parameters.get("level", "").isdecimal() else 0,
                body,
            )
        )
    return variants


def _records(data: bytes) -> list[tuple[dict[str, str], bytes | None]]:
    records: list[tuple[dict[str, str], bytes | None]] = []
    fields: dict[str, str] = {}
    last, at = "", 0
    while at < len(data):
        end = data.find(b"\n", at) + 1 or len(data)
        line, at = data[at:end].decode("latin-1").rstrip("\r\n"), end
        if line.startswith("#"):
            continue
        if not line.strip(BLANKS):
            if fields:
                records.append((fields, None))
            fields, last = {}, ""
        elif line[0] in " \t" and last:
            fields[last] += " " + line.strip(BLANKS)
        else:
            name, colon, value = line.partition(":")
            if not colon:
                raise ValueError(f"{line!r} is no header")
            last = name.strip().lower()
            if last == "body":
                stop = value.strip().encode("latin-1")
                close = data.find(stop, at) if stop else -1
                if close < 0:
                    raise ValueError(f"the body does not end with {value.strip()!r}")
                records.append((fields, data[at:close]))
                fields, last = {}, ""
                at = data.find(b"\n", close) + 1 or len(data)
            else:
                fields[last] = value.strip(BLANKS)
    if fields:
        records.append((fields, None))
    return records


def _media(text: str) -> tuple[str, dict[str, str]]:
    media, *parameters = (part.strip().lower() for part in text.split(";"))
    pairs = (parameter.partition("=") for parameter in parameters)
    return media, {name.strip(): value.strip().strip('"') for name, _, value in pairs}
