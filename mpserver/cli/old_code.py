"""What in the source of an application is not for today's Python or this server, each with its line and a remedy.

Code for Python 2 can't be parsed by Python 3. So this looks at lines from which strings and comments are taken out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mpserver.typing import NamedTuple


class Finding(NamedTuple):
    """A place, what is there, and what to do about it. ``fails``: it does not run as it is."""

    file: str
    line: int
    text: str
    fails: bool = True

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class Rule(NamedTuple):
    """What a line looks like, and what is said of it."""

    pattern: re.Pattern[str]
    text: str
    fails: bool = True


#: Modules of Python 2, and what has their place.
RENAMED: Mapping[str, str] = {
    "BaseHTTPServer": "http.server", "CGIHTTPServer": "http.server", "ConfigParser": "configparser",
    "Cookie": "mod_python.Cookie, or http.cookies", "HTMLParser": "html.parser", "Queue": "queue",
    "SimpleHTTPServer": "http.server", "SocketServer": "socketserver", "StringIO": "io.StringIO, or io.BytesIO for bytes",
    "UserDict": "collections.UserDict", "UserList": "collections.UserList", "__builtin__": "builtins",
    "anydbm": "dbm", "cPickle": "pickle", "cStringIO": "io.StringIO, or io.BytesIO for bytes",
    "commands": "subprocess", "cookielib": "http.cookiejar", "copy_reg": "copyreg", "dbhash": "dbm",
    "exceptions": "builtins (its names need no import)", "gdbm": "dbm.gnu", "htmlentitydefs": "html.entities",
    "httplib": "http.client", "md5": "hashlib.md5", "mimetools": "email", "popen2": "subprocess",
    "DocXMLRPCServer": "xmlrpc.server", "MimeWriter": "email", "SimpleXMLRPCServer": "xmlrpc.server",
    "Tkinter": "tkinter", "UserString": "collections.UserString", "bsddb": "dbm, or pip install berkeleydb",
    "compiler": "ast", "dircache": "os.listdir", "dl": "ctypes", "dumbdbm": "dbm.dumb", "fpformat": "format()",
    "hotshot": "cProfile", "htmllib": "html.parser", "ihooks": "importlib", "imputil": "importlib", "mimify": "email",
    "multifile": "email", "new": "types", "posixfile": "fcntl", "repr": "reprlib", "sgmllib": "html.parser",
    "sre": "re", "statvfs": "os.statvfs", "stringold": "methods of str", "strop": "methods of str",
    "toaiff": "pip install ffmpeg-python", "user": "nothing: leave it out", "xmllib": "xml.sax",
    "rfc822": "email", "robotparser": "urllib.robotparser", "sets": "the built-in set", "sha": "hashlib.sha1",
    "thread": "threading", "urllib2": "urllib.request and urllib.error", "urlparse": "urllib.parse",
    "whichdb": "dbm.whichdb", "xmlrpclib": "xmlrpc.client",
}  # fmt: skip

#: Modules that Python 3 had, by the version that is without them, and what has their place.
REMOVED: Mapping[str, tuple[str, str]] = {
    "asynchat": ("3.12", "asyncio"), "asyncore": ("3.12", "asyncio"), "distutils": ("3.12", "setuptools, sysconfig"),
    "imp": ("3.12", "importlib"), "smtpd": ("3.12", "aiosmtpd"),
    "cgi": ("3.13", "util.FieldStorage of mod_python (or pip install legacy-cgi)"),
    "cgitb": ("3.13", "PythonDebug On"), "crypt": ("3.13", "passlib, or pip install legacycrypt"),
    "imghdr": ("3.13", "filetype or pillow"), "mailcap": ("3.13", "mimetypes"), "nntplib": ("3.13", "pip install nntplib"),
    "pipes": ("3.13", "subprocess, shlex.quote"), "sndhdr": ("3.13", "filetype"), "telnetlib": ("3.13", "telnetlib3"),
    "uu": ("3.13", "base64"), "xdrlib": ("3.13", "pip install mda-xdrlib"),
}  # fmt: skip


def _rule(pattern: str, text: str, fails: bool = True) -> Rule:
    return Rule(re.compile(pattern), text, fails)


#: What is looked for in a line without strings (an empty pair of quotes stands for each) and comments.
RULES: tuple[Rule, ...] = (
    _rule(r"(?:^|[:;])\s*print\s+(?![=.,)\]}]|>>|in\b|is\b|and\b|or\b|if\b|for\b)[^\s(=]", "print is a function: print(...)"),
    _rule(r"(?:^|[:;])\s*print\s*>>", "print is a function: print(..., file=...)"),
    _rule(r"(?:^|[:;])\s*exec\s+(?![=(.])\S", "exec is a function: exec(code, namespace)"),
    _rule(r"\bexcept\s+[\w.()\s,]+?,\s*\w+\s*:", "except A, b: write except A as b"),
    _rule(r"\braise\s+[A-Za-z_][\w.]*\s*,", 'raise A, "text": write raise A("text")'),
    _rule(r"\braise\s+\"\"", "texts can't be raised: raise an exception of a class"),
    _rule(r"`", "`x` is repr(x)"),
    _rule(r"<>", "<> is !="),
    _rule(r"(?<![\w.])0[0-7]+(?![\w.])(?<!\b0)", "octal numbers begin with 0o: 0755 is 0o755"),
    _rule(r"(?<![\w.])\d+[lL]\b", "int has no end: 10L is 10"),
    _rule(r"(?<!\w)[uU][rR]\"\"", 'ur"" is no more: r"", with its special signs written out'),
    _rule(r"\bdef\s+\w+\s*\([^)]*\([^)]*\)[^)]*\)\s*:(?<!=)", "parameters can't be unpacked in the head of a function"),
    _rule(r"\blambda\s*\(", "lambda (a, b): takes one argument and unpacks it in its body"),
    _rule(r"(?<!headers_in)(?<!headers_out)(?<!notes)(?<!subprocess_env)(?<!form)(?<!options)(?<!session)"
          r"(?<!get_options\(\))(?<!get_config\(\))\.has_key\s*\(",
          "has_key(x) of a dict: x in dict (tables, forms and sessions of mod_python have it)"),
    _rule(r"\.iter(items|keys|values)\s*\(", "iteritems() and its like: items(), keys(), values()"),
    _rule(r"\.view(items|keys|values)\s*\(", "viewitems() and its like: items(), keys(), values()"),
    _rule(r"\.next\s*\(\s*\)", "x.next() of an iterator: next(x)", False),
    _rule(r"\b__nonzero__\b", "__nonzero__: __bool__"),
    _rule(r"\bdef\s+__unicode__\b", "__unicode__: __str__"),
    _rule(r"\bdef\s+__cmp__\b", "__cmp__ is not called: __eq__ and __lt__, with functools.total_ordering"),
    _rule(r"\bdef\s+__(get|set|del)slice__\b", "__getslice__ and its like: __getitem__, which gets a slice"),
    _rule(r"\bdef\s+__(div|idiv|rdiv)__\b", "__div__: __truediv__"),
    _rule(r"\bdef\s+next\s*\(\s*self\s*\)", "next() of an iterator of one's own: __next__", False),
    _rule(r"\b__metaclass__\b", "__metaclass__: class A(metaclass=...)", False),
    _rule(r"\bsys\.(maxint|exc_type|exc_value|exc_traceback|exc_clear|setdefaultencoding)\b",
          "sys.maxint: sys.maxsize; sys.exc_type and its like: sys.exc_info(); texts are Unicode without setdefaultencoding"),
    _rule(r"\bos\.getcwdu\b", "os.getcwdu(): os.getcwd()"),
    _rule(r"\bos\.popen[234]\b", "os.popen2 and its like: subprocess.Popen with its pipes"),
    _rule(r"\bos\.(tmpnam|tempnam|tmpfile)\b", "os.tmpnam and its like: the module tempfile"),
    _rule(r"\bos\.path\.walk\b", "os.path.walk: os.walk"),
    _rule(r"\bos\.errno\b", "os.errno: import errno"),
    _rule(r"\bsys\.exitfunc\b", "sys.exitfunc: the module atexit"),
    _rule(r"\btime\.clock\b", "time.clock(): time.perf_counter(), or time.process_time()"),
    _rule(r"\bplatform\.(linux_distribution|dist)\b", "platform.linux_distribution(): platform.freedesktop_os_release()"),
    _rule(r"\binspect\.(getargspec|formatargspec)\b", "inspect.getargspec: inspect.signature, or getfullargspec"),
    _rule(r"\bcollections\.(Mapping|MutableMapping|Sequence|MutableSequence|Set|MutableSet|Iterable|Iterator|Callable"
          r"|Hashable|Sized|Container)\b", "abstract classes of collections: collections.abc"),
    _rule(r"\bitertools\.(izip|imap|ifilter|izip_longest|ifilterfalse)\b",
          "itertools.izip and its like: zip, map, filter, itertools.zip_longest, filterfalse"),
    _rule(r"\.isAlive\s*\(", "isAlive() of a thread: is_alive()"),
    _rule(r"\bcgi\.(escape|parse_qsl?)\b", "cgi.escape: html.escape; cgi.parse_qs: urllib.parse.parse_qs"),
    _rule(r"\bHTMLParser\s*\(\s*\)\.unescape\b", "unescape of HTMLParser: html.unescape"),
    _rule(r"\bjson\.(loads?|dumps?)\s*\([^()]*\bencoding\s*=", "json takes no encoding: it reads str, or bytes in UTF-8"),
    _rule(r"\blocale\.format\s*\(", "locale.format: locale.format_string"),
    _rule(r"\.u(n?gettext)\s*\(", "ugettext: gettext gives str"),
    _rule(r"\bssl\.wrap_socket\b", "ssl.wrap_socket: a context of ssl.create_default_context()"),
    _rule(r"\bemail\.(MIME\w+|Utils|Header|Encoders|Message|Charset|Generator|Parser|Errors)\b",
          "email.MIMEText and its like: email.mime.text; email.Utils: email.utils"),
    _rule(r"(?:\btypes\.|^\s*from\s+types\s+import\b.*\b)(?:(?:Boolean|Int|Long|Float|Complex|String|Unicode|Buffer|Tuple"
          r"|List|Dict|Dictionary|Class|Instance|File|XRange|Slice|DictProxy|UnboundMethod|Object|Type)Type|StringTypes)\b",
          "types.StringType and its like: str, int, dict, list themselves, with isinstance(x, str)"),
    _rule(r"\.(keys|values|items)\s*\(\s*\)\s*(\[|\.sort\b)", "keys() and its like are views: sorted(d), or list(d)[0]"),
    _rule(r"\b(map|filter|zip)\s*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\s*\[|\blen\s*\(\s*(map|filter|zip)\s*\(",
          "map, filter and zip give iterators: list(map(...))"),
    _rule(r"\bmap\s*\(\s*None\s*,", "map(None, ...): itertools.zip_longest, or list(...)"),
    _rule(r"\.sort\s*\(\s*(lambda\s+\w+\s*,|\w*cmp\w*\s*\))|\bsort(ed)?\s*\(.*\bcmp\s*=",
          "sorting takes no function that compares: key=functools.cmp_to_key(f)"),
    _rule(r"\b(e|err|error|ex|exc|exception)\.message\b", "the message of an exception: str(e)", False),
    _rule(r"\bstring\.(join(fields)?|split(fields)?|replace|lower|upper|[lr]?strip|r?find|r?index|ato[ifl]|letters|lowercase"
          r"|uppercase|maketrans|count|zfill|[lr]just|center|capitalize|expandtabs|swapcase|translate)\b",
          "functions of string: methods of str; string.letters: string.ascii_letters"),
    _rule(r"\burllib\.(quote|unquote|quote_plus|unquote_plus|urlencode|urlopen|urlretrieve)\b",
          "urllib.quote and its like: urllib.parse; urlopen: urllib.request"),
    _rule(r"\bbase64\.(encode|decode)string\b", "base64.encodestring: base64.encodebytes; decodestring: decodebytes"),
    _rule(r"\bhashlib\.\w+\s*\(\s*\"\"\s*\)|\bmd5\.new\b|\bsha\.new\b", "hashes are of bytes: hashlib.md5(text.encode())"),
    _rule(r"\b(hashlib\.\w+|base64\.(url|standard_)?(safe_)?b64encode|hmac\.new)\s*\((?!.*\bencode\b)\s*[a-z_]",
          "hashes and base64 are of bytes: text.encode()", False),
    # the edges of mod_python's interface
    _rule(r"\breq\.(filename|uri|args|path_info|unparsed_uri|user|hostname|the_request)\.decode\s*\("
          r"|\bform(\[\"\"\]|\.get(first)?\([^()]*\))(\.value)?\.decode\s*\(",
          "it is text already, of the request's UTF-8: leave .decode() out"),
    _rule(r"\breq\.(read|readline|readlines)\s*\(", "req.read() gives bytes: .decode() it before it meets text", False),
    _rule(r"\breq\.write\s*\(\s*(str|repr)\s*\(\s*(open|file)\b", "files opened as text are text: open(x, 'rb') for bytes", False),
    _rule(r"\.file\.read\s*\(", "an uploaded file gives bytes, as does .value of its field", False),
    _rule(r"\bconn(ection)?\.remote_(ip|addr)\b", "remote_ip, remote_addr: client_ip, client_addr (the old names are logged)", False),
    _rule(r"\bmod_python\s+import\s+.*\bimporter\b|\bmod_python\.importer\b",
          "mod_python.importer is not part of mod_python 3.5: apache.import_module(name, path=[...])"),
    _rule(r"\bimport\s+_apache\b", "_apache is there in a running server only: import mod_python.apache"),
)  # fmt: skip

#: The same where the strings count.
IN_STRINGS: tuple[Rule, ...] = (
    _rule(r"\.(en|de)code\s*\(\s*['\"](hex|base64|zip|zlib|bz2|rot13|uu|string[_-]escape|unicode[_-]escape)\b",
          "encode and decode lead from str to bytes and back alone: binascii, base64, zlib, codecs have the others"),
)  # fmt: skip

#: Built-ins of Python 2, and what has their place.
BUILT_IN: Mapping[str, str] = {
    "apply": "apply(f, a): f(*a)", "basestring": "basestring: str", "buffer": "buffer: memoryview",
    "cmp": "cmp(a, b): (a > b) - (a < b); sort by key=", "coerce": "coerce is no more",
    "execfile": "execfile(x): exec(open(x).read())", "file": "file(x): open(x)", "intern": "intern: sys.intern",
    "long": "long: int", "raw_input": "raw_input: input", "reduce": "reduce: functools.reduce",
    "reload": "reload: importlib.reload, or apache.import_module", "unichr": "unichr: chr", "unicode": "unicode: str",
    "xrange": "xrange: range",
}  # fmt: skip
_BUILT_IN = re.compile(rf"(?<![\w.])(?:(basestring|unicode)(?!\w|\s*=[^=])|({'|'.join(BUILT_IN)})\s*\()")
#: How a source has such a name for something of its own.
_NAMES = "|".join(BUILT_IN)
_OWN = re.compile(
    rf"\b(?:def|class|as|for)\s+({_NAMES})\b|\bimport\b[^\n]*\b({_NAMES})\b|^\s*({_NAMES})\s*(?:=[^=]|:)"
    rf"|\blambda\b[^:\n]*\b({_NAMES})\b",
    re.MULTILINE,
)
_PARAMETERS = re.compile(r"\bdef\s+\w+\s*\(([^)]*)\)")
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import\b|import\s+([\w., ]+))")
_STRING = re.compile(
    r"""(?P<prefix>(?<!\w)[bBuUrRfF]{0,2})(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|\#[^\n]*""",
    re.DOTALL,
)


def plain(source: str) -> str:
    """The source without comments, and an empty pair of quotes in place of each string; lines stay where they are."""

    def blank(match: re.Match[str]) -> str:
        prefix = match["prefix"]
        return ("" if prefix is None else f'{prefix}""') + "\n" * match[0].count("\n")

    return _STRING.sub(blank, source)


def findings(source: str, file: str, parse: bool = True, modules: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """What is found in a source.

    :param parse: a source in which nothing is found is parsed by this Python, too.
    :param modules: those of the application, which may be called as modules of Python 2 were.
    """
    text = plain(source)
    own = {name for names in _OWN.findall(text) for name in names if name}
    own |= {name for parameters in _PARAMETERS.findall(text) for name in re.findall(r"\w+", parameters)}
    found = False
    for finding in (*_sorted_views(text, file), *_mixed_indents(text, file)):
        found = True
        yield finding
    for number, (line, whole) in enumerate(zip(text.split("\n"), source.split("\n"), strict=True), 1):
        for finding in (*_in_line(line, file, number, own, modules), *_matching(IN_STRINGS, whole, file, number)):
            found = True
            yield finding
    if parse and not found:
        yield from _unparsed(source, file)


#: A name that a view or an iterator is given, where Python 2 had a list.
_LISTED = re.compile(
    r"^\s*(\w+)\s*=\s*(?:[\w.]+(?:\[[^\]]*\])?\.(?:keys|values|items)\s*\(\s*\)|(?:map|filter|zip|range)\s*\(.*\))\s*$"
)


def _sorted_views(text: str, file: str) -> Iterator[Finding]:
    """Views and iterators that are used as lists in a later line of their function."""
    names: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if re.match(r"\s*(def|class)\b", line):
            names.clear()
        for name in names:
            if re.search(rf"(?<![\w.]){name}\.(sort|append|reverse|pop|insert|remove)\s*\(", line):
                yield Finding(file, number, f"{name} is no list: {name} = list(...), or sorted(...)")
        given = re.match(r"\s*(\w+)\s*=(?!=)", line)
        if given is not None:
            names.pop(given[1], None)
        match = _LISTED.match(line)
        if match is not None:
            names[match[1]] = line


def _mixed_indents(text: str, file: str) -> Iterator[Finding]:
    """The first line whose indentation can't be compared with that of the line before: one has tabs, the other blanks."""
    before, open_brackets = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        indent = line[: len(line) - len(line.lstrip())]
        goes_on = open_brackets > 0
        open_brackets += sum(line.count(sign) for sign in "([{") - sum(line.count(sign) for sign in ")]}")
        if goes_on or not line.strip():
            continue
        if not indent.startswith(before) and not before.startswith(indent):
            yield Finding(
                file, number, "tabs and blanks are mixed in indentations: use blanks (python -m tabnanny shows where)"
            )
            return
        before = indent


def _in_line(line: str, file: str, number: int, own: set[str], modules: frozenset[str]) -> Iterator[Finding]:
    yield from _matching(RULES, line, file, number)
    for name in dict.fromkeys(one or other for one, other in _BUILT_IN.findall(line)):
        if name not in own:
            yield Finding(file, number, f"a built-in of Python 2: {BUILT_IN[name]}")
    for module in imported(line):
        text = "" if module.partition(".")[0] in modules else _replaced(module)
        if text:
            yield Finding(file, number, text)


def _matching(rules: tuple[Rule, ...], line: str, file: str, number: int) -> Iterator[Finding]:
    for rule in rules:
        if rule.pattern.search(line):
            yield Finding(file, number, rule.text, rule.fails)


def _unparsed(source: str, file: str) -> Iterator[Finding]:
    """What this Python says of a source in which nothing is known to be wrong."""
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except SyntaxError as error:
        yield Finding(file, error.lineno or 1, f"Python can't read this: {error.msg}")
    except ValueError as error:
        yield Finding(file, 1, f"Python can't read this: {error}")


def imported(line: str) -> Iterator[str]:
    """The modules that a line imports, by their full names."""
    match = _IMPORT.match(line)
    if match is None:
        return
    for name in [match[1]] if match[1] else match[2].split(","):
        words = name.split()
        if words:
            yield words[0]


def _replaced(module: str) -> str:
    top = module.partition(".")[0]
    if top in RENAMED:
        return f"the module {top} is of Python 2: {RENAMED[top]}"
    if top in REMOVED:
        version, instead = REMOVED[top]
        return f"the module {top} is not in Python from {version} on: {instead}"
    return ""
