"""Which form of a document a client gets: httpd's rules, by its Accept headers (RFC 9110 12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mpserver.typing import NamedTuple

#: What is better than nothing: a language's parent, a form without a language, the body as it is.
LITTLE = 0.001


class Variant(NamedTuple):
    """A form of a document: where it is (relative), and what it is; ``quality``: qs of a type map.

    ``body``: of a type map, where the form lies in the map itself.
    """

    name: str
    media: str
    languages: tuple[str, ...] = ()
    encoding: str = ""
    charset: str = ""
    length: int = -1
    quality: float = 1.0
    level: int = 0
    body: bytes | None = None


class Accepted(NamedTuple):
    """One item of an Accept header: its value in lower case, its quality, its level, whether it told the quality."""

    value: str
    quality: float
    level: int
    explicit: bool


def items(header: str | None) -> list[Accepted] | None:
    """The items of an Accept header; None without one."""
    if header is None:
        return None
    found = []
    for item in header.split(","):
        value, *parameters = (part.strip().lower() for part in item.split(";"))
        if not value:
            continue
        liked, level, explicit = 1.0, 0, False
        for parameter in parameters:
            name, _, text = parameter.partition("=")
            if name.strip() == "q":
                liked, explicit = quality(text), True
            elif name.strip() == "level" and text.strip().isdecimal():
                level = int(text.strip()[:4])
        found.append(Accepted(value, liked, level, explicit))
    return found or None


def quality(text: str) -> float:
    """A number from 0 to 1; what is none, is 1."""
    try:
        value = float(text.strip().strip('"')[:6])
    except ValueError:
        return 1.0
    return value if 0.0 <= value <= 1.0 else 1.0


class Wishes:
    """What a client likes how much."""

    def __init__(self, get: Callable[[str], str | None]) -> None:
        """``get`` gives a header of the request."""
        self._types = items(get("accept"))
        self._languages = items(get("accept-language"))
        self._encodings = items(get("accept-encoding"))
        self._charsets = items(get("accept-charset"))

    def media(self, variant: Variant) -> float:
        """How much a type is liked; the most specific item counts."""
        if self._types is None:
            return 1.0
        explicit = any(item.explicit for item in self._types)
        major = variant.media.partition("/")[0]
        best, liked = 0, 0.0
        for item in self._types:
            if item.value in ("*/*", "*"):
                rank, low = 1, 0.01
            elif item.value == f"{major}/*":
                rank, low = 2, 0.02
            elif item.value == variant.media and item.level <= variant.level:
                rank, low = 3 + item.level, 1.0
            else:
                continue
            if rank > best:
                # (browsers that give no qualities mean less by their wildcards)
                best, liked = rank, item.quality if explicit else low
        return liked

    def language(self, variant: Variant) -> float:
        """How much the language is liked best of those that a form has."""
        if not variant.languages:
            return LITTLE
        if self._languages is None:
            return 1.0
        return max(self._one_language(language.lower()) for language in variant.languages)

    def _one_language(self, language: str) -> float:
        assert self._languages is not None
        star, longest, liked, parent = -1.0, -1, -1.0, -1.0
        for item in self._languages:
            if item.value == "*":
                star = max(star, item.quality)
            elif language == item.value or language.startswith(item.value + "-"):
                if len(item.value) > longest:
                    longest, liked = len(item.value), item.quality
            elif item.value.startswith(language + "-") and item.quality:
                parent = LITTLE
        return next((value for value in (liked, star, parent) if value >= 0), 0.0)

    def encoding(self, variant: Variant) -> float:
        """How much the coding is liked."""
        coding = variant.encoding.lower().removeprefix("x-")
        if self._encodings is None:
            return 0.5 if coding else 1.0
        star = -1.0
        for item in self._encodings:
            if item.value.removeprefix("x-") == (coding or "identity"):
                return item.quality
            if item.value == "*":
                star = item.quality
        if not coding:
            return 0.0001 if star < 0 else star
        return max(star, 0.0)

    def charset(self, variant: Variant) -> float:
        """How much the charset is liked."""
        if self._charsets is None:
            return 1.0
        charset = variant.charset or ("iso-8859-1" if variant.media.startswith("text/") else "")
        if not charset:
            return 1.0
        star = -1.0
        for item in self._charsets:
            if item.value == charset:
                return item.quality
            if item.value == "*":
                star = item.quality
        return star if star >= 0 else float(charset == "iso-8859-1")


class _Rated(NamedTuple):
    """A form, and how much it is liked; ``place``: of its language in LanguagePriority."""

    variant: Variant
    media: float
    language: float
    place: int
    charset: float
    encoding: float


def choose(
    variants: Sequence[Variant], wishes: Wishes, priority: Sequence[str], *, prefer: bool, fall_back: bool
) -> Variant | None:
    """The best form; None if the client likes none.

    :param priority: of languages (LanguagePriority).
    :param prefer: it decides among those that are liked alike; ``fall_back``: where none is liked.
    """
    places = {language: place for place, language in reversed(list(enumerate(priority)))}
    rated = [_rate(variant, wishes, places if prefer else {}) for variant in variants]
    best = _best(rated)
    if best is None and fall_back:
        best = _best([_rate(one.variant, wishes, places)._replace(language=1.0) for one in rated])
    return best and best.variant


def _rate(variant: Variant, wishes: Wishes, places: Mapping[str, int]) -> _Rated:
    last = len(places)
    place = min((places.get(language.lower(), last) for language in variant.languages), default=last)
    return _Rated(
        variant,
        wishes.media(variant) * variant.quality,
        wishes.language(variant),
        place,
        wishes.charset(variant),
        wishes.encoding(variant),
    )


def _best(rated: Sequence[_Rated]) -> _Rated | None:
    best: _Rated | None = None
    for one in rated:
        if not (one.media and one.language and one.charset and one.encoding):
            continue
        if best is None or _key(one) > _key(best):
            best = one
    return best


def _key(one: _Rated) -> tuple[float, float, int, int, float, bool, float, int]:
    """What is larger is better: type, language, its priority, level, charset, coding, and then the smaller file."""
    charset = one.variant.charset not in ("", "iso-8859-1")  # (what says more is taken first, as in httpd)
    return (
        one.media, one.language, -one.place, one.variant.level, one.charset, charset, one.encoding,
        -one.variant.length,
    )  # fmt: skip


def varies(variants: Sequence[Variant]) -> list[str]:
    """The headers of requests that the choice depends on."""
    kinds: tuple[tuple[str, Callable[[Variant], object]], ...] = (
        ("accept", lambda variant: variant.media),
        ("accept-language", lambda variant: variant.languages),
        ("accept-charset", lambda variant: variant.charset),
        ("accept-encoding", lambda variant: variant.encoding),
    )
    return [name for name, kind in kinds if len({kind(variant) for variant in variants}) > 1]
