"""tools/fuzz: its targets on their corpora, what was found and mended, and that it finds what is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fuzzing import engine, main, targets
from fuzzing.targets import TARGETS, Target

#: What targets stumbled over: by recursion, by what grows faster than its input, by errors of another kind.
FOUND = {
    "sections in sections": ("htaccess", b"<Files a>\n" * 2000 + b"</Files>\n" * 2000),
    "many open sections": ("htaccess", b"<IfModule mod_python.c>\n" * 60_000),
    "a name of a server": ("configuration", b"ServerName " + b"Header" * 20_000),
    "many misspelled directives": ("htaccess", b"".join(b"AuthNamx%d y\n" % number for number in range(4000))),
    "a host that can be none": ("configuration", b"<VirtualHost " + b"a" * 70 + b":80>\n</VirtualHost>\n"),
    "references that never close": ("rewrite", b"RewriteRule ^ " + b"${lower:$1" * 12_000),
    "variables that never close": ("configuration", b"ServerName " + b"${" * 60_000),
    "references in references": ("rewrite", b"RewriteMap a int:tolower\n" + b"${a:" * 3000 + b"}" * 3000),
    "sets that never close": ("expression", b"'a' =~ m#" + b"[" * 60_000 + b"#"),
    "brackets that never close": ("htaccess", b"<Files *" + b"[" * 20_000 + b">\n</Files>\n"),
    "a status alone": ("htaccess", b"Redirect gone\n"),
    "a page of one line": ("psp", "\u00ef".encode() + b"<%--a--%>" * 30_000),
    "a long answer": ("control", b'{"command": "status", "name": "' + b"\xed\xa0\x80" * 20_000 + b'"}\n'),
    "arrays in arrays": ("control", b"[" * 65_500 + b"\n"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus(name: str) -> None:
    target = TARGETS[name]
    assert target.name == name
    assert target.corpus()
    for data in target.corpus():
        target.run(data)


def test_each_corpus_has_its_target() -> None:
    assert {folder.name for folder in targets.CORPUS.iterdir()} == set(TARGETS)


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_stays_mended(name: str) -> None:
    target, data = FOUND[name]
    run = TARGETS[target].run
    run(TARGETS[target].corpus()[0])  # (what is done once does not count)
    with engine.bounded():
        run(data)


def planted(data: bytes) -> None:
    """What is wrong with a word of the dictionary."""
    assert b"wrong" not in data


def slow(data: bytes) -> None:
    """Takes for ever where a word stands often."""
    while data.count(b"wrong") > 100:
        pass


@pytest.mark.parametrize(("function", "kind"), [(planted, AssertionError), (slow, engine.TooSlowError)])
def test_it_finds_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: object, kind: type[Exception]
) -> None:
    target = Target(function, (b"wrong",))  # type: ignore[arg-type]
    monkeypatch.setattr(targets, "TARGETS", {"planted": target})
    monkeypatch.setattr(targets, "CORPUS", tmp_path)
    monkeypatch.setattr(engine, "LONGEST", 0.1)
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "a").write_bytes(b"some text to begin with")
    count, fault = engine.run(target, 600, seed=1)
    assert count > 1
    assert fault is not None
    assert isinstance(fault.error, kind)
    assert kind is engine.TooSlowError or fault.data == b"wrong"
    assert engine.run(target, 600, seed=1)[0] == count, "the same chances again"


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fuzz", "proxy", "0.1", "--seed", "5"])
    assert main.main() == 0
    assert "inputs, --seed 5" in capsys.readouterr().out
    monkeypatch.setitem(TARGETS, "proxy", Target(planted, (b"wrong",)))
    monkeypatch.setattr(sys, "argv", ["fuzz", "proxy", "600", "--seed", "5"])
    assert main.main() == 1
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == b"wrong"
    assert f"proxy stumbles over {kept.name}: b'wrong'" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["fuzz", "proxy", "0", "--input", kept.name])
    with pytest.raises(AssertionError):
        main.main()
