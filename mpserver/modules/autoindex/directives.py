"""The directives of mod_autoindex."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.override import Override
from mpserver.config.patterns import is_wild
from mpserver.config.registry import EVERYWHERE, Args, Call, Directive
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.autoindex import (
    ALTS,
    CHARSET,
    DEFAULT_ICON,
    DESCRIPTION_WIDTH,
    DESCRIPTIONS,
    HEAD_INSERT,
    HEADER,
    ICON_HEIGHT,
    ICON_WIDTH,
    ICONS,
    IGNORE,
    NAME_WIDTH,
    OPTIONS,
    ORDER,
    README,
    STYLE_SHEET,
    TYPE,
    By,
    Description,
    Ignored,
    IndexOptions,
    Rule,
    Shown,
)

_WORDS = {
    "addaltclass": Shown.ADD_ALT_CLASS,
    "fancyindexing": Shown.FANCY,
    "htmltable": Shown.TABLE,
    "foldersfirst": Shown.FOLDERS_FIRST,
    "iconsarelinks": Shown.ICONS_ARE_LINKS,
    "ignorecase": Shown.IGNORE_CASE,
    "ignoreclient": Shown.IGNORE_CLIENT,
    "scanhtmltitles": Shown.SCAN_TITLES,
    "showforbidden": Shown.SHOW_FORBIDDEN,
    "suppresscolumnsorting": Shown.NO_SORTING,
    "suppressdescription": Shown.NO_DESCRIPTION,
    "suppresshtmlpreamble": Shown.NO_PREAMBLE,
    "suppressicon": Shown.NO_ICON,
    "suppresslastmodified": Shown.NO_TIME,
    "suppressrules": Shown.NO_RULES,
    "suppresssize": Shown.NO_SIZE,
    "trackmodified": Shown.TRACK_MODIFIED,
    "useolddateformat": Shown.OLD_DATES,
    "versionsort": Shown.VERSION_SORT,
    "xhtml": Shown.XHTML,
}
#: The words with a number: its setting, the value without one, the least, and whether * is one.
_NUMBERS: dict[str, tuple[Setting[int], int, int, bool]] = {
    "namewidth": (NAME_WIDTH, 0, 5, True),
    "descriptionwidth": (DESCRIPTION_WIDTH, 0, 12, True),
    "iconwidth": (ICON_WIDTH, 20, 1, False),
    "iconheight": (ICON_HEIGHT, 22, 1, False),
}
_TEXTS = {"type": TYPE, "charset": CHARSET}


def _index_options(call: Call) -> None:
    own, add, remove = call.conf.values.get(OPTIONS, IndexOptions(None))
    for word in call.args:
        sign, name = values.signed(word)
        name, _, value = name.partition("=")
        name = name.lower()
        if not sign and (add or remove):
            # (as in httpd, also where the word itself is not one that has a sign)
            call.warn(f"{call.name}: {word} takes back what stands before it with a sign: write it in front")
            add, remove = Shown.NONE, Shown.NONE
        if name in _NUMBERS:
            _number(call, word, sign, name, value)
            continue
        if name in _TEXTS and value and not sign:
            call.conf[_TEXTS[name]] = _token(call, value)
            continue
        if name == "none" and not value:
            if sign:
                raise ConfigError(f"{call.name}: Cannot combine '+' or '-' with 'None' keyword")
            own, add, remove = Shown.NONE, Shown.NONE, Shown.NONE
            continue
        option = _WORDS.get(name)
        if option is None or value:
            raise ConfigError(f"Invalid directory indexing option {word}: {_HELP}")
        if sign == "-":
            add, remove = add & ~option, remove | option
        elif sign:
            add, remove = add | option, remove & ~option
        else:
            own, add, remove = (own or Shown.NONE) | option, Shown.NONE, Shown.NONE
    if own is not None:
        own, add, remove = (own | add) & ~remove, Shown.NONE, Shown.NONE
    call.conf[OPTIONS] = IndexOptions(own, add, remove)


def _number(call: Call, word: str, sign: str, name: str, value: str) -> None:
    setting, default, least, star = _NUMBERS[name]
    if sign == "-":
        if value:
            raise ConfigError(f"{call.name}: Cannot combine '-' with {name}=n: write {word.partition('=')[0]} alone")
        call.conf[setting] = setting.default
    elif star and value == "*":
        call.conf[setting] = 0
    elif not value and not star:
        call.conf[setting] = default
    else:
        if not (value.isascii() and value.isdecimal() and len(value) < 6 and int(value) >= least):
            raise ConfigError(f"{call.name}: {word} must have a whole number from {least} on, as in {name}={least}")
        call.conf[setting] = int(value)


def _token(call: Call, word: str) -> str:
    if not word.isascii() or not all(char.isalnum() or char in "!#$&-^_.+/" for char in word):
        raise ConfigError(f"{call.name}: {word!r} is no name of a type or a charset")
    return word


_KEYS = {"name": "N", "date": "M", "size": "S", "description": "D"}
_DIRECTIONS = {"ascending": True, "descending": False}


def _order(call: Call) -> None:
    direction, key = (word.lower() for word in call.args)
    if direction not in _DIRECTIONS:
        raise ConfigError(f"{call.name}: First keyword must be 'Ascending' or 'Descending'")
    if key not in _KEYS:
        raise ConfigError(f"{call.name}: Second keyword must be 'Name', 'Date', 'Size', or 'Description'")
    call.conf[ORDER] = (_KEYS[key], _DIRECTIONS[direction])


def _ignore(call: Call) -> None:
    before = call.conf.values.get(IGNORE, Ignored())
    call.conf[IGNORE] = before._replace(names=before.names + call.args)


def _ignore_reset(call: Call) -> None:
    before = call.conf.values.get(IGNORE, Ignored())
    call.conf[IGNORE] = before._replace(reset=call.flag)


def _add(call: Call, setting: Setting[tuple[Rule, ...]], by: By, value: str, words: tuple[str, ...]) -> None:
    rules = tuple(
        # (a name without wildcards is the end of one)
        Rule(by, f"*{word}" if by is By.NAME and "*" not in word and "?" not in word else word, value)
        for word in words
    )
    call.conf[setting] = (*call.conf.values.get(setting, ()), *rules)


def _icon(by: By) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        icon, *words = call.args
        if icon.startswith("("):
            alt, comma, icon = icon[1:].partition(",")
            if not comma or not icon.endswith(")"):
                raise ConfigError(f"{call.name}: missing closing paren or comma: write (TXT,/icons/text.gif)")
            icon = icon[:-1].strip()
            _add(call, ALTS, by, alt.strip(), tuple(words))
        _add(call, ICONS, by, icon, tuple(words))

    return apply


def _alt(by: By) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        _add(call, ALTS, by, call.args[0].strip('"'), call.args[1:])

    return apply


def _description(call: Call) -> None:
    text, *words = call.args
    found = []
    for word in words:
        whole = "/" in word
        wild = whole or is_wild(word)
        pattern = f"*/{word}" if whole and not word.startswith("/") else word
        found.append(Description(text, pattern, wild, whole))
    call.conf[DESCRIPTIONS] = (*call.conf.values.get(DESCRIPTIONS, ()), *found)


def _head_insert(call: Call) -> None:
    before = call.conf.values.get(HEAD_INSERT, "")
    call.conf[HEAD_INSERT] = f"{before}{call.args[0]}\n"


_HELP = "FancyIndexing, HTMLTable, NameWidth=*, Charset=UTF-8 and their kin, with + or - before them, or None"
_PATTERNS = "then names, endings, or patterns of them"
_KINDS = (
    ("", By.NAME, _PATTERNS),
    ("ByType", By.TYPE, "then media types, or patterns of them"),
    ("ByEncoding", By.ENCODING, "then content codings, or patterns of them"),
)

DIRECTIVES: tuple[Directive, ...] = (
    *(
        Directive(
            f"AddIcon{kind}", Args.ITERATE2, EVERYWHERE, _icon(by), Override.INDEXES,
            f"the URL of an icon, or (TEXT,URL), {words}",
        )
        for kind, by, words in _KINDS
    ),
    *(
        Directive(
            f"AddAlt{kind}", Args.ITERATE2, EVERYWHERE, _alt(by), Override.INDEXES,
            f"a text in place of an icon, {words}",
        )
        for kind, by, words in _KINDS
    ),
    Directive(
        "AddDescription", Args.ITERATE2, EVERYWHERE, _description, Override.INDEXES, f"a text, {_PATTERNS}"
    ),
    Directive(
        "DefaultIcon", Args.TAKE1, EVERYWHERE, values.directory(DEFAULT_ICON, values.text), Override.INDEXES,
        "the URL of an icon",
    ),
    Directive(
        "HeaderName", Args.TAKE1, EVERYWHERE, values.directory(HEADER, values.text), Override.INDEXES, "a file's name"
    ),
    Directive(
        "ReadmeName", Args.TAKE1, EVERYWHERE, values.directory(README, values.text), Override.INDEXES, "a file's name"
    ),
    Directive("IndexIgnore", Args.ITERATE, EVERYWHERE, _ignore, Override.INDEXES, "names of files, or patterns"),
    Directive("IndexIgnoreReset", Args.FLAG, EVERYWHERE, _ignore_reset, Override.INDEXES),
    Directive("IndexOptions", Args.ITERATE, EVERYWHERE, _index_options, Override.INDEXES, _HELP),
    Directive(
        "IndexOrderDefault", Args.TAKE2, EVERYWHERE, _order, Override.INDEXES,
        "Ascending or Descending, and Name, Date, Size or Description",
    ),
    Directive(
        "IndexStyleSheet", Args.TAKE1, EVERYWHERE, values.directory(STYLE_SHEET, values.text), Override.INDEXES,
        "the URL of a style sheet",
    ),
    Directive(
        "IndexHeadInsert", Args.TAKE1, EVERYWHERE, _head_insert, Override.INDEXES, "what to put into the page's head"
    ),
)  # fmt: skip
