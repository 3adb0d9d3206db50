"""What stands around the entries of a listing: HEADER and README, the parent directory, icons."""

from __future__ import annotations

from stat import S_ISREG

from mpserver.http1.html import escape
from mpserver.http1.percent import encode_path
from mpserver.modules import autoindex
from mpserver.modules.autoindex import By, Rule, icons
from mpserver.modules.autoindex.entries import Entry, matcher
from mpserver.modules.autoindex.page import Icon
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.settings import Conf

#: What rules call directories, as a file that there can't be.
DIRECTORY = "^^DIRECTORY^^"


class Part(NamedTuple):
    """HeaderName's or ReadmeName's: what it adds to the page."""

    content: bytes = b""
    is_html: bool = False


def part(req: Request, name: str) -> Part:
    """What a file of text adds; nothing where there is none that the client may have."""
    if not name:
        return Part()
    uri = encode_path(name)
    subrequests = req.mp_plan.subrequests
    looked = subrequests.look_at(req, uri)
    media = (looked.media or "").partition(";")[0].strip().lower()
    if looked.status != 200 or looked.stat is None or not S_ISREG(looked.stat.st_mode):
        return Part()
    if media not in ("text/html", "application/xhtml+xml") and (looked.encoding or not media.startswith("text/")):
        return Part()
    pieces: list[bytes] = []
    if subrequests.include(req, uri, pieces.append):
        return Part()
    content = b"".join(pieces)
    if media.startswith("text/") and media != "text/html":
        content = b"<pre>" + escape(content.decode("latin-1")).encode("latin-1") + b"</pre>\n"
        return Part(content)
    return Part(content, is_html=True)


def parent(path: str) -> str:
    """The URI of the directory above; ``path`` is decoded and ends with a slash."""
    return encode_path(path[: path.rstrip("/").rfind("/") + 1])


class Icons:
    """The icons of one listing: those of the configuration, or drawings where these are not there."""

    def __init__(self, req: Request, conf: Conf) -> None:
        self._req = req
        self._icons, self._alts = _Rules(conf[autoindex.ICONS]), _Rules(conf[autoindex.ALTS])
        self._default = conf[autoindex.DEFAULT_ICON]
        self._there: dict[str, bool] = {}

    def parent(self) -> Icon:
        """That of the parent directory."""
        url = self._icons.named("..") or self._default
        return Icon(self._url(url), "parent", self._alts.named("..") or "PARENTDIR")

    def of(self, entry: Entry) -> Icon:
        """That of an entry."""
        if entry.is_directory:
            url = self._icons.of_path(entry) or self._icons.named(DIRECTORY) or self._default
            alt = self._alts.of_path(entry) or self._alts.named(DIRECTORY) or "DIR"
            return Icon(self._url(url), "folder", alt)
        url = self._icons.of_file(entry) or self._default
        return Icon(self._url(url), icons.kind(entry.media, entry.encoding), self._alts.of_file(entry) or "   ")

    def _url(self, url: str) -> str:
        """A URL if there is something behind it, as far as this server can know."""
        if not url.startswith("/") or url.startswith("//"):
            return url
        there = self._there.get(url)
        if there is None:
            looked = self._req.mp_plan.subrequests.look_at(self._req, url)
            there = self._there[url] = looked.status < 400 and (looked.stat is not None or not looked.names_file)
        return url if there else ""


class _Rules:
    """What AddIcon or AddAlt and their kin say; "" where no rule holds."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = [(rule, matcher(rule.pattern if rule.by is By.NAME else rule.pattern.lower())) for rule in rules]

    def named(self, name: str) -> str:
        """For a name that is none of a file."""
        found = (rule.value for rule, _ in self._rules if rule.by is By.NAME and rule.pattern in (name, f"*{name}"))
        return next(found, "")

    def of_path(self, entry: Entry) -> str:
        """For a directory."""
        return next((rule.value for rule, matches in self._rules if rule.by is By.NAME and matches(entry.path)), "")

    def of_file(self, entry: Entry) -> str:
        """The first rule that holds for a file; of those by type none where it has a coding."""
        media = (entry.media or "").partition(";")[0].strip().lower()
        encoding = (entry.encoding or "").lower()
        subjects = {By.NAME: entry.path, By.TYPE: "" if encoding else media, By.ENCODING: encoding}
        for rule, matches in self._rules:
            subject = subjects[rule.by]
            if subject and matches(subject):
                return rule.value
        return ""
