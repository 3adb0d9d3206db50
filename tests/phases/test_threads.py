"""What the threads of one interpreter share of the engine: loader, plans, memories and counters, by 20 threads."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpserver.api.error_log import ErrorLog
from mpserver.api.handler_list import HandlerEntry
from mpserver.api.loader import Loader
from mpserver.api.table import Table
from mpserver.application.output import PrintedOutput
from mpserver.config.configuration import load
from mpserver.config.htaccess import HtaccessCache
from mpserver.config.override import Allowed, Override
from mpserver.http1 import blocks as blocks_module
from mpserver.http1.blocks import Blocks
from mpserver.http1.head import Limits, parse_head
from mpserver.ipc import scoreboard
from mpserver.locks import LockPool
from mpserver.modules import core
from mpserver.modules.all import registry
from mpserver.modules.core import file_cache
from mpserver.modules.log_config.items import Seconds, clf_time
from mpserver.modules.mime.hooks import Finder
from mpserver.modules.python.handlers import Handler
from mpserver.phases.survey import finish
from mpserver.phases.threaded_pipeline import SharedPipeline
from mpserver.serving.thread_pool import ThreadPool
from mpserver.serving.threaded_parts import SharedEntry
from support.threads import THREADS, hurried, together
from support.waiting import PATIENCE, wait_for

LOCAL = ("127.0.0.1", 80)

# ---- modules


@pytest.fixture
def modules(tmp_path: Path) -> Iterator[Path]:
    """A folder of modules, which are forgotten afterwards."""
    before = list(sys.path)
    yield tmp_path
    sys.path[:] = before
    for name in [name for name in sys.modules if name.startswith("shared_by_threads")]:
        del sys.modules[name]


class Source:
    """A handler's module that counts how often it is executed, and its versions."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file, self.name, self.version = folder / f"{name}.py", name, 0
        self.write()

    def write(self) -> None:
        """The next version."""
        self.version += 1
        self.file.write_text(
            f"executed = globals().get('executed', 0) + 1\ndef handler(req):\n    return {self.version}\n"
        )
        os.utime(self.file, ns=(self.version * 10**9, self.version * 10**9))


def test_a_module_is_executed_once_for_all_threads(modules: Path) -> None:
    source = Source(modules, "shared_by_threads_once")
    loader = Loader()
    for turn in range(4):
        found = together(lambda _: loader.load(source.name, f"{modules}/", True, 1000.0 * source.version), seed=turn)
        module = found[0].module
        assert {id(loaded.module) for loaded in found} == {id(module)}
        assert module.executed == source.version == turn + 1
        assert module.handler(None) == source.version
        source.write()


def test_modules_of_one_name_in_two_folders_stay_two(modules: Path) -> None:
    folders = [modules / name for name in ("a", "b", "c")]
    for folder in folders:
        folder.mkdir()
        (folder / "shared_by_threads_same.py").write_text(f"where = {folder.name!r}\n")
    loader = Loader()

    def work(number: int) -> None:
        for turn in range(10):
            folder = folders[(number + turn) % 3]
            loaded = loader.load("shared_by_threads_same", f"{folder}/", True, 1000.0)
            assert loaded.module.where == folder.name

    together(work)


def test_a_handler_is_the_function_of_the_last_reload(modules: Path) -> None:
    source = Source(modules, "shared_by_threads_handler")
    loader = Loader()
    entry = HandlerEntry(source.name, f"{modules}/", False, False)
    plan: Any = SimpleNamespace(python_path=None, autoreload=True)
    for turn in range(10):
        handler = Handler(entry, "PythonHandler")
        for _ in range(3):
            now = 1000.0 * source.version

            def work(_number: int) -> int:
                function = handler.resolve(plan, loader, now, None)  # noqa: B023  # called in the loop
                assert function is not None
                return int(function(None))

            assert set(together(work, seed=turn)) == {source.version}
            source.write()


def test_a_handler_that_becomes_a_class_is_always_something_to_call(modules: Path) -> None:
    file = modules / "shared_by_threads_class.py"
    plain = "def handler(req):\n    return 1\n"
    classy = "class handler:\n    def __init__(self, req): pass\n    def __call__(self, req):\n        return 1\n"
    file.write_text(plain)
    loader = Loader()
    plan: Any = SimpleNamespace(python_path=None, autoreload=True)
    handler = Handler(HandlerEntry(file.stem, f"{modules}/", False, False), "PythonHandler")
    clock = iter(range(1000, 10**6))

    def work(number: int) -> None:
        for turn in range(30):
            if number == 0:
                written = file.with_suffix(".new")  # (nobody may read half of it)
                written.write_text((classy, plain)[turn % 2])
                os.utime(written, ns=(turn * 10**9, turn * 10**9))
                written.replace(file)
            function = handler.resolve(plan, loader, float(next(clock)) / 7, None)
            assert function is not None
            assert function(None) == 1

    together(work, often=0.1)


def test_a_syntax_error_is_told_in_full_by_the_thread_that_met_it_first(modules: Path) -> None:
    loader = Loader()
    for turn in range(10):
        name = f"shared_by_threads_wrong{turn}"
        (modules / f"{name}.py").write_text("x = = 1\n")

        def work(_number: int) -> bool:
            try:
                loader.load(name, f"{modules}/", True, 1000.0)  # noqa: B023  # called in the loop
            except SyntaxError as error:
                return error is loader.repeated
            return True

        assert Counter(together(work, seed=turn)) == {False: 1, True: THREADS - 1}


# ---- tables, heads, files


def test_a_table_is_whole_at_the_first_look() -> None:
    pairs = [(f"Option{number}", str(number)) for number in range(50)]
    for turn in range(20):
        table = Table.from_pairs(pairs)

        def work(number: int) -> None:
            assert table.get("option49") == "49"  # noqa: B023  # called in the loop
            assert table[f"OPTION{number}"] == str(number)  # noqa: B023

        together(work, seed=turn)


def test_header_blocks_are_those_of_their_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_module, "_KEPT", 16)
    blocks, limits = Blocks(), Limits()

    def work(number: int) -> None:
        for turn in range(20):
            who = f"{(number + turn) % 25}"
            fields = f"Host: h{who}\r\nX-Who: {who}\r\nx-who: again\r\n"
            found = parse_head(f"GET /{number} HTTP/1.1\r\n{fields}\r\n".encode(), limits, None, blocks)
            assert found is not None
            assert (found.path, found.host, found.get("x-who")) == (f"/{number}", f"h{who}", f"{who}, again")
            assert found.merged()[1]["x-who"] == f"{who}, again"

    together(work, often=0.02)
    assert len(blocks) <= 16 + THREADS


def test_the_room_for_small_files_is_counted_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_cache, "ROOM", 20 * (file_cache.OVERHEAD + 10))
    kept = file_cache.Pages()
    kept._room = file_cache.ROOM
    located = [[SimpleNamespace(page=None, effects=None, is_kept=True) for _ in range(10)] for _ in range(THREADS)]

    def work(number: int) -> None:
        for each in located[number]:
            req = SimpleNamespace(mp_located=each, mp_content_type=None, mp_handler=None, mp_before_head=())
            kept.keep(req, [("ETag", f'"{number}"')], b"0123456789", 10, f'"{number}"', 1.0, lambda _req, _page: True)
            page = each.page
            assert page is None or page.etag == f'"{number}"'

    for turn in range(3):
        together(work, often=0.2, seed=turn)
        assert kept._room == file_cache.ROOM - len(kept._kept) * (file_cache.OVERHEAD + 10)
        assert {id(each) for each in kept._kept} == {id(e) for some in located for e in some if e.page is not None}


def test_pages_of_what_rules_change_are_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request has a Located of its own then; resource and plan are the same."""
    monkeypatch.setattr(file_cache, "ROOM", 2 * (file_cache.OVERHEAD + 10))
    kept = file_cache.Pages()
    kept._room = file_cache.ROOM
    resources, plans = (object(), object(), object()), (object(), object())

    def located(resource: int, plan: int) -> SimpleNamespace:
        return SimpleNamespace(
            page=None, effects=object(), is_kept=True, resource=resources[resource], plan=plans[plan]
        )

    def keep(which: SimpleNamespace, etag: str) -> None:
        req = SimpleNamespace(mp_located=which, mp_content_type=None, mp_handler=None, mp_before_head=())
        kept.keep(req, [], b"0123456789", 10, etag, 1.0, lambda _req, _page: True)

    keep(located(0, 0), '"a"')
    keep(located(0, 1), '"b"')
    found = [kept.of(located(0, 0)), kept.of(located(0, 1)), kept.of(located(1, 0))]
    assert [page and page.etag for page in found] == ['"a"', '"b"', None]
    plain = SimpleNamespace(page=None, effects=None, resource=resources[0], plan=plans[0])
    assert kept.of(plain) is None
    keep(located(2, 0), '"c"')  # (there was no room)
    assert [kept.of(located(0, 0)), kept.of(located(0, 1))] == [None, None]
    assert kept.of(located(2, 0)) is not None


def test_names_of_files_have_their_own_types(tmp_path: Path) -> None:
    (tmp_path / "httpd.conf").write_text("".join(f"AddType test/t{n} .e{n}\n" for n in range(10)))
    find = Finder(load("httpd.conf", registry(), root=str(tmp_path)).main.base)

    def work(number: int) -> None:
        for turn in range(30):
            assert find(f"{number}.e{turn % 10}").type == f"test/t{turn % 10}"

    together(work)


def test_times_in_the_log_are_those_of_the_request() -> None:
    show = Seconds("").show
    expected = [clf_time(1_800_000_000 + number) for number in range(THREADS)]

    def work(number: int) -> None:
        for _ in range(50):
            assert show(1_800_000_000.5 + number) == expected[number]

    together(work)


# ---- configuration


def test_htaccess_files_set_what_is_theirs(tmp_path: Path) -> None:
    (tmp_path / "httpd.conf").write_text("")
    cached = HtaccessCache(load("httpd.conf", registry(), root=str(tmp_path)))
    everything = Allowed(Override.ALL)
    for number in range(5):
        (tmp_path / str(number)).mkdir()
        (tmp_path / f"{number}/.htaccess").write_text(f"ForceType test/t{number}-0\n")

    def work(number: int) -> None:
        for turn in range(10):
            folder = (number + turn) % 5
            if number == folder:
                (tmp_path / "new").mkdir(exist_ok=True)
                draft = tmp_path / f"new/{number}"
                draft.write_text(f"ForceType test/t{folder}-{turn}\n")
                draft.rename(tmp_path / f"{folder}/.htaccess")
            conf = cached.get(f"{tmp_path}/{folder}/", everything)
            assert conf is not None
            assert str(conf[core.FORCE_TYPE]).startswith(f"test/t{folder}-")

    together(work, often=0.005)
    for folder in range(5):
        conf = cached.get(f"{tmp_path}/{folder}/", everything)
        assert conf is not None
        assert f"ForceType {conf[core.FORCE_TYPE]}\n" == (tmp_path / f"{folder}/.htaccess").read_text()


def test_hosts_sites_and_plans_are_one_for_all_threads_and_lead_to_their_files(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}/page").write_text("")
    text = f"DocumentRoot {tmp_path}\n" + "".join(
        f"<Directory {tmp_path}/{number}>\nPythonOption n {number}\nSetHandler mod_python\nPythonHandler m{number}\n"
        "</Directory>\n" for number in range(6)
    ) + "".join(f"<VirtualHost *>\nServerName h{number}\n</VirtualHost>\n" for number in range(6))  # fmt: skip
    (tmp_path / "httpd.conf").write_text(text)
    read = load("httpd.conf", registry(), root=str(tmp_path))
    for turn in range(3):
        planner = SharedPipeline(finish(read), {}, 0, None, {}).planner

        def work(number: int) -> list[object]:
            objects: list[object] = []
            for step in range(12):
                name = f"h{step % 6}"
                host = planner.host_of(LOCAL, name)  # noqa: B023  # called in the loop
                assert host.object.server_hostname == name
                page = (number + step) % 6
                located = planner.locate(host, f"/{page}/page")  # noqa: B023
                assert located.resource.filename == f"{tmp_path}/{page}/page"
                assert located.plan.options["n"] == str(page)
                assert located.plan.handlers["PythonHandler"].plain[0].module == f"m{page}"
                assert located.plan.interpreter_id.name == name
                objects += [host, host.site, host.object]
            return objects

        found = together(work, often=0.002, seed=turn)
        assert len({tuple(map(id, objects)) for objects in found}) == 1


def test_each_thread_has_its_own_clock(tmp_path: Path) -> None:
    (tmp_path / "httpd.conf").write_text("")
    pipeline = SharedPipeline(finish(load("httpd.conf", registry(), root=str(tmp_path))), {}, 0, None, {})

    def work(number: int) -> None:
        for turn in range(20):
            lines = pipeline.clock.head(1_800_000_000.0 + number + turn, "text/plain")
            second = 1_800_000_000 + number + turn
            assert time.strftime("%H:%M:%S GMT", time.gmtime(second)).encode() in lines

    together(work)


# ---- locks, threads, counters, output


def test_a_lock_of_the_pool_is_one_for_all_threads(tmp_path: Path) -> None:
    for turn in range(5):
        pool = LockPool(str(tmp_path), 4, str(turn))
        inside: list[int] = []

        def work(number: int) -> int:
            lock = pool.lock("key")  # noqa: B023  # called in the loop
            for _ in range(3):
                with lock:
                    inside.append(number)  # noqa: B023
                    assert inside == [number]  # noqa: B023
                    inside.clear()  # noqa: B023
            return id(lock)

        assert len(set(together(work, often=0.01, seed=turn))) == 1
        pool.close()


def test_the_pool_serves_every_request_once() -> None:
    served: list[tuple[Any, Any]] = []
    busy: list[tuple[int, int]] = []
    pool = ThreadPool(
        "test", 5, lambda connection, head: served.append((connection, head)), lambda *told: busy.append(told)
    )
    wanted = [(number, turn) for number in range(THREADS) for turn in range(20)]
    gate = threading.Lock()

    def work(number: int) -> None:
        for turn in range(20):
            with gate:  # (the loop's thread alone submits)
                pool.submit(cast(Any, number), cast(Any, turn))

    together(work, often=0.02)
    with hurried():
        wait_for(lambda: len(served) == len(wanted) and busy[-1] == (0, 5), "all requests to be served")
    assert sorted(served) == wanted
    assert all(0 <= count <= 5 for count, _ in busy)
    assert pool.close(PATIENCE)


def test_requests_are_counted_exactly() -> None:
    board = scoreboard.Scoreboard.create(1)
    board.prepare(0)
    interpreter_id = SharedEntry(board, 0, 1)

    def work(number: int) -> None:
        for _ in range(20):
            interpreter_id.working(1.0, b"GET / HTTP/1.1")
            interpreter_id.done(2.0, 1.0, number)

    together(work, often=0.2)
    assert board.row(0).requests == THREADS * 20
    assert interpreter_id.writer.bytes == sum(range(THREADS)) * 20
    assert interpreter_id.writer.busy == THREADS * 20.0


def test_lines_of_output_are_those_of_one_thread(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        output = PrintedOutput(ErrorLog(file.fileno(), 7), "x")

        def work(number: int) -> None:
            for turn in range(20):
                print("thread", number, turn, file=cast(Any, output.stdout))  # in pieces
            output.stdout.write(f"end {number}")
            output.flush()

        together(work, often=0.01)
    lines = [line.partition("[interpreter x] ")[2] for line in (tmp_path / "log").read_text().splitlines()]
    expected = [f"thread {number} {turn}" for number in range(THREADS) for turn in range(20)]
    assert sorted(lines) == sorted([*expected, *(f"end {number}" for number in range(THREADS))])
