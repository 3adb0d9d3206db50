"""From files to the tree: what httpd does while it reads.

Some directives act while files are read, not on the tree: Include and IncludeOptional, Define and
UnDefine, LoadModule, MPM, ServerRoot (for the relative paths that follow), Error, and the conditional
sections IfDefine, IfModule, IfVersion, IfFile, IfDirective and IfSection, whose contents take their
place in the tree. httpd manual: core, mod_so and mod_version.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping

from mpserver.config import conditional_sections, foreign_modules, lexer, macros
from mpserver.config.include_files import expand
from mpserver.config.registry import Module, Registry, short
from mpserver.config.section_kinds import SECTIONS
from mpserver.config.tree import Node, Tree
from mpserver.errors import ConfigError
from mpserver.typing import NamedTuple

#: How deep files may include files.
MAX_DEPTH = 128

#: How many sections may stand in each other: whoever goes through them goes into each.
_DEEPEST = 100

#: What the lines of -C and -c are called in messages.
COMMAND_LINE = "-c/-C directives"


class Reading(NamedTuple):
    """What reading left: the tree, and what it defined and loaded on the way.

    ``defines`` holds the names of -D and Define (with "" for those without a value); ``variables``
    only those with a value. ``loaded``: the names of LoadModule. ``order``: the files in the
    order of their first reading, to sort messages by.
    """

    tree: Tree
    root: str
    defines: dict[str, str]
    variables: dict[str, str]
    loaded: tuple[str, ...]
    errors: list[ConfigError]
    warnings: list[str]
    order: tuple[str, ...]


class _Frame:
    """A section that is open: where its directives go, or nowhere if its condition does not hold."""

    __slots__ = ("active", "args", "children", "file", "line", "name", "raw", "splices")

    def __init__(self, name: str, children: list[Node], file: str, line: int, *, active: bool, splices: bool) -> None:
        self.name, self.children = name, children
        self.file, self.line = file, line
        self.active, self.splices = active, splices
        self.args: tuple[str, ...] = ()
        self.raw = ""


class Reader:
    """Reads files and lines into one tree; faults are collected, not raised.

    ``in_htaccess`` is for .htaccess files, where no file is included and nothing is defined.
    """

    def __init__(
        self,
        registry: Registry,
        root: str,
        defines: Mapping[str, str],
        *,
        variables: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        in_htaccess: bool = False,
    ) -> None:
        self.registry = registry
        self.root = root
        self.defines = dict(defines)
        if variables is None:
            variables = {name: value for name, value in defines.items() if value}
        self.variables = dict(variables)
        self.environment = os.environ if environment is None else environment
        self.in_htaccess = in_htaccess
        self.tree: list[Node] = []
        self.loaded: dict[str, None] = {}
        self.errors: list[ConfigError] = []
        self.warnings: list[str] = []
        self.order: dict[str, None] = {}
        #: By their names in lower case; and the names of those that are being used.
        self.macros: dict[str, macros.Macro] = {}
        self.using: list[str] = []
        self._open: list[str] = []
        self._children = self.tree
        self._file, self._line = "", 0

    def result(self) -> Reading:
        """What was read so far."""
        return Reading(
            tuple(self.tree),
            self.root,
            self.defines,
            self.variables,
            tuple(self.loaded),
            self.errors,
            self.warnings,
            tuple(self.order),
        )

    def read_file(self, path: str) -> None:
        """Read one file at this place of the tree; ConfigError if it can't be opened."""
        real = os.path.realpath(path)
        if real in self._open:
            raise ConfigError(f"{path} is included by itself, there appears to be a recursion.")
        if len(self._open) >= MAX_DEPTH:
            raise ConfigError(f"Exceeded maximum include depth of {MAX_DEPTH}, There appears to be a recursion.")
        text = _contents(path)
        self._open.append(real)
        try:
            self.read_text(text, path)
        finally:
            self._open.pop()

    def read_lines(self, directives: Iterable[str]) -> None:
        """Read the directives of -C or -c."""
        text = "\n".join(directives)
        if text:
            self.read_text(text, COMMAND_LINE)

    def read_text(self, text: str, file: str) -> None:
        """Read the text of a file; sections must open and close in the same file."""
        self.read_at_once(lexer.lines(text), file)

    def read_at_once(self, lines: Iterable[tuple[int, str]], file: str) -> None:
        """Read lines with their numbers at this place; they are of a text that is called ``file`` in messages."""
        self.order.setdefault(file)
        outer_file, outer_line, self._file = self._file, self._line, file
        frames: list[_Frame] = []
        bottom = self._children
        macro: macros.Collector | None = None
        for number, line in lines:
            self._line = number
            try:
                if macro is not None:
                    if macro.take(number, line):
                        macro.end(self)
                        macro = None
                elif line[:6].lower() == "<macro" and not line[6:7].isalnum() and (not frames or frames[-1].active):
                    macro = self._macro(line)
                else:
                    self._read_line(line, frames)
            except ConfigError as error:
                self.errors.append(error.at(file, number))
        if macro is not None:
            self.errors.append(macro.not_closed())
        for frame in reversed(frames):
            self.errors.append(ConfigError(_not_closed(frame), file, frame.line))
            self._close(frame, frames)
        self._children = bottom
        self._file, self._line = outer_file, outer_line

    @property
    def place(self) -> tuple[str, int]:
        """The file and line that is read."""
        return self._file, self._line

    def _macro(self, line: str) -> macros.Collector:
        """A macro begins."""
        if self.in_htaccess:
            raise ConfigError("<Macro not allowed here")
        name, at = lexer.next_word(line)
        text = line[6:] if name.endswith(">") else line[at:]
        bracket = text.rfind(">")
        if bracket < 0:
            raise ConfigError("<Macro> directive missing closing '>'")
        return macros.Collector(self, text[:bracket].strip(lexer.BLANKS))

    def _read_line(self, line: str, frames: list[_Frame]) -> None:
        active = frames[-1].active if frames else True
        if active and "${" in line:
            line = lexer.substitute(line, self.look_up)
        name, at = lexer.next_word(line)
        if name[:1] == "<":
            if name[1:2] == "/":
                self._end(name, frames)
            else:
                self._begin(name, line[at:], frames, active)
        elif active:
            self._directive(name, line[at:])

    def _directive(self, name: str, rest: str) -> None:
        act = DIRECTIVES.get(name.lower())
        args = lexer.words(rest)
        if act is not None:
            if self.in_htaccess:
                raise ConfigError(f"{name} not allowed here")
            if not act(self, name, args, rest):
                return
        self._children.append(Node(name, args, rest, self._file, self._line))

    def _begin(self, word: str, rest: str, frames: list[_Frame], active: bool) -> None:
        """Open a section: one of the tree, or a conditional one."""
        closed = word.endswith(">")
        name = word[1:-1] if closed else word[1:]
        condition = conditional_sections.TABLE.get(name.lower())
        frame = _Frame(name, self._children, self._file, self._line, active=active, splices=True)
        frames.append(frame)
        if not active:
            return
        if len(frames) > _DEEPEST:
            frame.active = False
            raise ConfigError(f"<{name}> stands in {_DEEPEST} other sections: there may not be more")
        bracket = rest.rfind(">")
        if rest and bracket < 0:
            if condition is not None:
                frame.active = False
            raise ConfigError(f"<{name}> directive missing closing '>'")
        rest = rest[:bracket].strip(lexer.BLANKS) if bracket >= 0 else ""
        if condition is not None:
            frame.active = False  # stays so if the condition itself is faulty
            frame.active = condition(self, name, rest)
            return
        frame.splices = False
        frame.args = lexer.words(rest)
        frame.raw = rest
        self._children = []

    def _end(self, word: str, frames: list[_Frame]) -> None:
        """Close the innermost section; a tag of another one closes up to that one, and is an error."""
        if not word.endswith(">"):
            if not frames:
                raise ConfigError(f"{word} without matching <{word[2:]} section")
            self._close(frames[-1], frames)
            raise ConfigError(f"{word}> directive missing closing '>'")
        name = word[2:-1]
        if not frames:
            raise ConfigError(f"</{name}> without matching <{name}> section")
        open_name = frames[-1].name
        if open_name.lower() == name.lower():
            self._close(frames[-1], frames)
            return
        wanted = name.lower()
        depth = next((n for n, f in enumerate(reversed(frames)) if f.name.lower() == wanted), 0)
        for _ in range(depth + 1):
            self._close(frames[-1], frames)
        raise ConfigError(f"Expected </{open_name}> but saw </{name}>")

    def _close(self, frame: _Frame, frames: list[_Frame]) -> None:
        """Close the innermost section."""
        frames.pop()
        if frame.splices:
            return
        node = Node(frame.name, frame.args, frame.raw, frame.file, frame.line, tuple(self._children))
        self._children = frame.children
        self._children.append(node)

    # What the directives and conditions below work with.

    def look_up(self, name: str) -> str | None:
        """The value of ``${name}``: from Define, then from the environment; a warning if there is none."""
        value = self.variables.get(name)
        if value is None:
            value = self.environment.get(name)
        if value is None and ":" not in name:
            self.warn(f"AH00111: Config variable ${{{name}}} is not defined")
        return value

    def warn(self, text: str) -> None:
        """Note a warning about the current line."""
        self.warnings.append(f"{text} (line {self._line} of {self._file})")

    def absolute(self, path: str) -> str:
        """A path relative to ServerRoot as it stands now."""
        return os.path.normpath(os.path.join(self.root, path))

    def knows_module(self, name: str) -> bool:
        """Whether a module of this source file or identifier exists (all are built in, but one MPM counts)."""
        return any(name in (module.source, module.name) for module in self.registry.modules)

    def knows_directive(self, name: str) -> bool:
        """Whether a directive (not a section) of this name exists."""
        key = name.lower()
        return key in self.registry.directives or key in DIRECTIVES

    def knows_section(self, name: str) -> bool:
        """Whether a section of this name exists."""
        name = name.lower()
        known = name in SECTIONS or name in conditional_sections.TABLE or name == "macro"
        return known or f"<{name}" in self.registry.directives

    def include(self, name: str, pattern: str, optional: bool) -> None:
        """Read the files that a name, directory or pattern means, in sorted order."""
        try:
            for path in expand(self.absolute(pattern), optional):
                try:
                    self.read_file(path)
                except FileNotFoundError as error:
                    if not optional:
                        raise ConfigError(_cannot_open(path, error)) from error
        except OSError as error:
            raise ConfigError(_cannot_open(error.filename or pattern, error)) from error


def _contents(path: str) -> str:
    """A configuration file's text; bytes that are not UTF-8 survive as surrogates."""
    # (without waiting for somebody to write into a pipe of that name)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) and path != os.devnull:
            raise ConfigError(f"Access to file {path} denied by server: not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read().decode("utf-8", "surrogateescape")
    finally:
        os.close(descriptor)


def _cannot_open(path: str, error: OSError) -> str:
    return f"Could not open configuration file {path}: {error.strerror}"


def _not_closed(frame: _Frame) -> str:
    if frame.splices and frame.name.lower() in conditional_sections.TABLE:
        return f"Expected </{frame.name}> before end of configuration"
    return f"<{frame.name}> was not closed."


# Directives that act while reading: each says whether it stays in the tree, too.


def _include(reader: Reader, name: str, args: tuple[str, ...], raw: str) -> bool:
    if len(args) != 1 or not args[0]:
        raise ConfigError(f"{name} takes one argument, the name or pattern of the file(s) to be included")
    reader.include(name, args[0], optional=name.lower() == "includeoptional")
    return False


def _define(reader: Reader, name: str, args: tuple[str, ...], raw: str) -> bool:
    if not 1 <= len(args) <= 2 or not args[0]:
        raise ConfigError(f"{name} takes 1-2 arguments, the variable and, optionally, its value")
    variable = args[0]
    if ":" in variable:
        raise ConfigError("Variable name must not contain ':'")
    if len(args) == 2 and args[1]:
        reader.variables[variable] = args[1]
        reader.defines[variable] = args[1]
    else:
        reader.defines.setdefault(variable, "")
    return False


def _undefine(reader: Reader, name: str, args: tuple[str, ...], raw: str) -> bool:
    if len(args) != 1 or not args[0]:
        raise ConfigError(f"{name} takes one argument, the variable")
    if ":" in args[0]:
        raise ConfigError("Variable name must not contain ':'")
    reader.defines.pop(args[0], None)
    reader.variables.pop(args[0], None)
    return False


def _load_module(reader: Reader, name: str, args: tuple[str, ...], raw: str) -> bool:
    if len(args) != 2 or "" in args:
        raise ConfigError(
            f"{name} takes two arguments, a module name and the name of a shared object file to load it from"
        )
    module, file = args
    if not any(module == known.name for known in reader.registry.built_in):
        lack = foreign_modules.lack(module)
        if lack is None or not lack[1]:
            lost = f". Without it {lack[0]}" if lack else ""
            raise ConfigError(
                f"Can't locate API module structure `{module}' in file {file}: this server has no module of "
                f"that name (all of its modules are built in; remove the line or put it into <IfModule>){lost}"
            )
        reader.warn(f"module {module} is not part of this server: {lack[0]}")
        return False
    if module in reader.loaded:
        reader.warn(f"AH01574: module {module} is already loaded, skipping")
    for mpm in reader.registry.mpms:
        if mpm.name == module:
            _choose(reader, mpm)
    reader.loaded[module] = None
    return False


def _choose(reader: Reader, mpm: Module) -> None:
    """From here on this MPM is the one that counts."""
    for other in reader.registry.mpms:
        if other is not mpm and other.name in reader.loaded:
            raise ConfigError(f"AH00534: More than one MPM loaded: {other.name} and {mpm.name}. Keep one of them")
    if mpm.name == "mpm_event_module":
        reader.warn("MPM event: worker serves, whose idle connections take no thread either")
    reader.loaded[mpm.name] = None
    reader.registry = reader.registry.chosen([mpm.name])


def _mpm(reader: Reader, name: str, args: tuple[str, ...], raw: str) -> bool:
    if len(args) == 1:
        found = next((mpm for mpm in reader.registry.mpms if short(mpm) == args[0].lower()), None)
        if found is None:
            names = " or ".join(short(mpm) for mpm in reader.registry.mpms)
            raise ConfigError(f"{name} must be {names}, not '{args[0]}'")
        _choose(reader, found)
    return True  # the wrong number of arguments, or a place where it can't be, is told by its module


def _server_root(reader: Reader, name: str, args: tuple[str, ...], raw: str) -> bool:
    if len(args) == 1 and args[0]:
        path = os.path.normpath(os.path.join(reader.root, args[0]))
        if not os.path.isdir(path):
            raise ConfigError("ServerRoot must be a valid directory")
        reader.root = path
    return True  # the wrong number of arguments is told by the directive's own module


def _error(reader: Reader, name: str, args: tuple[str, ...], raw: str) -> bool:
    if len(raw) > 1 and raw[0] == raw[-1] and raw[0] in "\"'":
        raw = raw[1:-1]
    raise ConfigError(raw or "The Error directive was used with no message.")


def _macro(reader: Reader, name: str, args: tuple[str, ...], raw: str) -> bool:
    macros.DIRECTIVES[name.lower()](reader, raw)
    return False


#: What is done while the text is read, by names in lower case; an action says whether the directive stays in the tree.
DIRECTIVES: Mapping[str, Callable[[Reader, str, tuple[str, ...], str], bool]] = {
    **dict.fromkeys(macros.DIRECTIVES, _macro),
    "include": _include,
    "includeoptional": _include,
    "define": _define,
    "undefine": _undefine,
    "loadmodule": _load_module,
    "mpm": _mpm,
    "serverroot": _server_root,
    "error": _error,
}
