"""The type of a request's file, and the filters that its extensions ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from stat import S_ISDIR

from mpserver.config.settings import Conf
from mpserver.modules.core.hooks import names
from mpserver.modules.hooks import Filters, Insertion, Planning, Step
from mpserver.modules.known import Order
from mpserver.modules.mime import (
    ADD_CHARSET,
    ADD_ENCODING,
    ADD_HANDLER,
    ADD_INPUT_FILTER,
    ADD_LANGUAGE,
    ADD_OUTPUT_FILTER,
    ADD_TYPE,
    DEFAULT_LANGUAGE,
    TYPES_CONFIG,
    Extensions,
)
from mpserver.remembered import Remembered
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: What is remembered of names for each configuration may take so much, in bytes: for some 900 of usual length; and what
#: each takes beside its name, about.
ROOM, EACH = 256 << 10, 256
#: What directories have as their type.
DIRECTORY_TYPE = "httpd/unix-directory"


#: (in httpd its filters come with the type, before the others)
ORDER = {"insert_filter": Order.FIRST}

PLAIN = frozenset({"type_checker"})


def type_checker(planning: Planning) -> Step | None:
    """The type, handler, coding and languages that a file's extensions say."""
    if planning.filename is None and not planning.stepped:
        return None  # there is no file, and nobody has come by who could have set one
    finder = Finder(planning.conf)

    def check(req: Request) -> int:
        return find_type(req, finder)

    return check


def insert_filter(planning: Planning) -> Insertion | None:
    """AddOutputFilter and AddInputFilter."""
    output, body = planning.conf[ADD_OUTPUT_FILTER], planning.conf[ADD_INPUT_FILTER]
    if not output and not body:
        return None

    def insert(req: Request, chain: Filters) -> None:
        base = (req.mp_filename or "").rpartition("/")[2]
        for name in filters(base, output):
            chain.add_output(req, name)
        if req.mp_input is not None:
            for name in filters(base, body):
                chain.add_input(req, name)

    return Insertion(tuple(name for text in (*output.values(), *body.values()) for name in names(text)), insert)


class Mime(NamedTuple):
    """What was found; None or empty where the extensions say nothing."""

    type: str | None
    handler: str | None
    encoding: str | None
    languages: tuple[str, ...]
    charset: str | None


NOTHING = Mime(None, None, None, (), None)


def find(name: str, conf: Conf) -> Mime:
    """What the extensions of a file's base name say, in any order, the last of a kind winning.

    Leading dots and what follows them up to the next dot are the name itself: ``.png`` is a hidden
    file. Codings and languages add up.
    """
    start = 0
    while name.startswith(".", start):
        start += 1
    dot = name.find(".", start)
    if dot < 0 or dot + 1 == len(name):
        return _or_default(NOTHING, conf)
    types, add_type, handlers = conf[TYPES_CONFIG].table, conf[ADD_TYPE], conf[ADD_HANDLER]
    encodings, tongues, charsets = conf[ADD_ENCODING], conf[ADD_LANGUAGE], conf[ADD_CHARSET]
    media = handler = encoding = charset = None
    languages: tuple[str, ...] = ()
    for extension in name[dot + 1 :].lower().split("."):
        if not extension:
            continue
        media = add_type.get(extension) or types.get(extension) or media
        if handlers:
            handler = handlers.get(extension) or handler
        if encodings:
            found = encodings.get(extension)
            if found:
                encoding = found if encoding is None else f"{encoding}, {found}"
        if charsets:
            charset = charsets.get(extension) or charset
        if tongues:
            found = tongues.get(extension)
            if found:
                languages = (*languages, found)
    return _or_default(Mime(media, handler, encoding, languages, charset), conf)


def knows(extensions: str, conf: Conf, also: tuple[str, ...]) -> bool:
    """Whether all of a name's extensions say something of type, language, charset or coding (MultiviewsMatch).

    :param extensions: with the dot before each.
    :param also: "handlers", "filters": what else they may say; "any": whatever they are.
    """
    if "any" in also:
        return True
    types = conf[TYPES_CONFIG].table
    tables = [conf[ADD_TYPE], conf[ADD_LANGUAGE], conf[ADD_CHARSET], conf[ADD_ENCODING]]
    if "handlers" in also:
        tables.append(conf[ADD_HANDLER])
    if "filters" in also:
        tables += [conf[ADD_OUTPUT_FILTER], conf[ADD_INPUT_FILTER]]
    return all(
        word in types or any(table.get(word) for table in tables) for word in extensions.lower().split(".") if word
    )


def filters(name: str, added: Extensions) -> Iterator[str]:
    """The filters that a file's extensions ask for, in the order of the extensions (httpd's mod_mime)."""
    for extension in name.lstrip(".").lower().split(".")[1:]:
        names = added.get(extension)
        if names:
            yield from names.split(";")


def _or_default(mime: Mime, conf: Conf) -> Mime:
    default = conf[DEFAULT_LANGUAGE]
    return mime._replace(languages=(default,)) if default and not mime.languages else mime


def with_charset(media: str, charset: str) -> str:
    """A media type with its charset parameter set."""
    kept = [part for part in media.split(";") if not part.strip().lower().startswith("charset=")]
    return f"{';'.join(kept)}; charset={charset}"


class Finder:
    """`find` for one configuration; remembers the names that were asked for."""

    __slots__ = ("_conf", "_known")

    def __init__(self, conf: Conf) -> None:
        self._conf = conf
        self._known: Remembered[str, Mime] = Remembered(ROOM, EACH)

    def __call__(self, name: str) -> Mime:
        """What the extensions of a file's base name say."""
        found = self._known.get(name)
        if found is None:
            found = find(name, self._conf)
            self._known.keep(name, found, len(name))
        return found


def find_type(req: Request, find: Callable[[str], Mime]) -> int:
    """The type phase: set the request's type, handler, coding and languages from its file's name.

    :param find: a `Finder` of the request's configuration.
    :returns: OK where a type is known, else DECLINED.
    """
    filename = req.mp_filename
    if filename is None:
        return -1
    finfo = req.mp_finfo
    if finfo.filetype == 2 if finfo is not None else req.mp_stat is not None and S_ISDIR(req.mp_stat.st_mode):
        req.mp_content_type = DIRECTORY_TYPE
        return 0
    media, handler, encoding, languages, charset = find(filename[filename.rfind("/") + 1 :])
    if handler is not None and not req.mp_proxyreq:
        req.mp_handler = handler
    if encoding is not None:
        before = req.mp_content_encoding
        req.mp_content_encoding = f"{before}, {encoding}" if before else encoding
    if languages:
        req.mp_content_languages = languages
    if media is None:
        media = req.mp_content_type
        if media is None:
            return -1
    else:
        req.mp_content_type = media
    if charset is not None:
        req.mp_content_type = with_charset(media, charset)
    return 0
