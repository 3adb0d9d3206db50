"""The pool of global locks: who excludes whom, and how fast those who wait are woken."""

import ctypes
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpserver.errors import StartError
from mpserver.locks import LockPool, RequestLocks, slot
from support.processes import run_code
from support.waiting import wait_for

PATIENCE = 20


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[LockPool]:
    pool = LockPool(str(tmp_path), 8)
    yield pool
    pool.close()


def lock_path(pool: LockPool, key: str) -> str:
    return os.path.join(pool.directory, f"lock.{slot(key, -1, pool.count)}")


def test_slots_are_the_same_in_every_process() -> None:
    assert slot("abc", -1, 8) == 0x352441C2 % 7 + 1
    assert slot("anything", 0, 8) == 0
    assert slot(None, 7, 8) == 7
    assert {slot(str(n), -1, 8) for n in range(200)} == set(range(1, 8)), "keys never get the first, all the others"


def test_a_single_lock_serves_keys_too() -> None:
    assert slot("abc", -1, 1) == 0


def test_an_index_past_the_end_is_refused(pool: LockPool) -> None:
    with pytest.raises(ValueError, match="out of range for number of global mutex locks"):
        pool.lock(None, 8).acquire()


class Elsewhere:
    """A process that takes a lock, says so, and gives it back when told."""

    CODE = """
        import sys
        from mpserver.locks import LockPool
        pool = LockPool(sys.argv[1], 8)
        pool.lock(sys.argv[2]).acquire()
        print("got", flush=True)
        sys.stdin.readline()
        pool.lock(sys.argv[2]).release()
        print("gave", flush=True)
        sys.stdin.readline()
    """

    def __init__(self, directory: Path, key: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(self.CODE), str(directory), key],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=os.path.dirname(os.path.dirname(__file__)),
        )

    def says(self) -> str:
        """Its next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        """Let it take its next step."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    other = Elsewhere(tmp_path, "key")
    yield other
    other.end()


def has_waiter(pool: LockPool, key: str) -> bool:
    """Whether the kernel has somebody waiting for a lock."""
    file = f":{os.stat(lock_path(pool, key)).st_ino} "
    return any("->" in line and file in line for line in Path("/proc/locks").read_text().splitlines())


def waiting(pool: LockPool, key: str) -> tuple[threading.Thread, list[float]]:
    """A thread that waits for a lock and notes when it got it."""
    got: list[float] = []

    def take() -> None:
        pool.lock(key).acquire()
        got.append(time.monotonic())
        pool.lock(key).release()

    thread = threading.Thread(target=take)
    thread.start()
    return thread, got


def test_processes_exclude_each_other(pool: LockPool, elsewhere: Elsewhere) -> None:
    assert elsewhere.says() == "got"
    thread, got = waiting(pool, "key")
    thread.join(0.1)
    assert not got
    elsewhere.go_on()
    assert elsewhere.says() == "gave"
    thread.join(PATIENCE)
    assert got


def test_a_lock_is_free_when_its_holder_was_killed(pool: LockPool, elsewhere: Elsewhere) -> None:
    assert elsewhere.says() == "got"
    thread, got = waiting(pool, "key")
    elsewhere.process.kill()
    thread.join(PATIENCE)
    assert got


def test_other_locks_are_not_held(pool: LockPool, elsewhere: Elsewhere) -> None:
    assert elsewhere.says() == "got"
    other = next(key for key in "abcdef" if slot(key, -1, 8) != slot("key", -1, 8))
    thread, got = waiting(pool, other)
    thread.join(PATIENCE)
    assert got


def test_threads_of_an_interpreter_exclude_each_other(pool: LockPool) -> None:
    pool.lock("key").acquire()
    thread, got = waiting(pool, "key")
    thread.join(0.1)
    assert not got
    pool.lock("key").release()
    thread.join(PATIENCE)
    assert got


def test_two_pools_of_one_process_exclude_each_other(pool: LockPool, tmp_path: Path) -> None:
    """As two interpreters of one worker do: each opens the file by itself."""
    other = LockPool(str(tmp_path), 8)
    other.lock("key").acquire()
    thread, got = waiting(pool, "key")
    thread.join(0.1)
    assert not got
    other.lock("key").release()
    thread.join(PATIENCE)
    assert got
    other.close()


@pytest.mark.alone
def test_waiters_wake_within_a_millisecond(pool: LockPool, tmp_path: Path) -> None:
    """Of several tries the median counts: a busy machine may delay any single one, and all of a round."""
    other = LockPool(str(tmp_path), 8)
    medians: list[float] = []
    while len(medians) < 10 and not (medians and medians[-1] < 0.001):
        delays = []
        for _ in range(21):
            other.lock("key").acquire()
            thread, got = waiting(pool, "key")
            while not has_waiter(other, "key"):
                pass
            released = time.monotonic()
            other.lock("key").release()
            thread.join(PATIENCE)
            delays.append(got[0] - released)
        medians.append(sorted(delays)[10])
    other.close()
    assert medians[-1] < 0.001, medians


def test_a_thread_takes_a_lock_again_and_gives_it_back_as_often(pool: LockPool, tmp_path: Path) -> None:
    other = LockPool(str(tmp_path), 8)
    pool.lock("key").acquire()
    pool.lock("key").acquire()
    pool.lock("key").release()
    thread, got = waiting(other, "key")
    thread.join(0.1)
    assert not got, "still held once"
    pool.lock("key").release()
    thread.join(PATIENCE)
    assert got
    other.close()


def test_what_is_not_held_cannot_be_given_back(pool: LockPool) -> None:
    with pytest.raises(RuntimeError):
        pool.lock("key").release()
    pool.lock("key").acquire()
    pool.lock("key").release()
    with pytest.raises(RuntimeError):
        pool.lock("key").release()


FORKS = """
    import os, select, sys
    from mpserver.locks import LockPool
    pool = LockPool(sys.argv[1], 8)
    held = pool.lock("key")
    held.acquire()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            held.release()
        except RuntimeError:
            pool.lock("key").acquire()
        os.write(writer, b"got")
        os._exit(0)
    print(select.select([reader], [], [], 0.1)[0])
    pool.lock("key").release()
    print(os.read(reader, 3), os.waitpid(pid, 0)[1])
"""


def test_a_forked_process_does_not_share_its_parents_lock(tmp_path: Path) -> None:
    assert run_code(FORKS, str(tmp_path)) == "[]\nb'got' 0\n"


def test_filelock_sees_the_lock_and_is_seen(pool: LockPool) -> None:
    """The locks of the library are the same locks of the kernel."""
    from filelock import FileLock, Timeout

    pool.lock("key").acquire()
    theirs = FileLock(lock_path(pool, "key"))
    with pytest.raises(Timeout):
        theirs.acquire(blocking=False)
    pool.lock("key").release()
    theirs.acquire(blocking=False)
    thread, got = waiting(pool, "key")
    thread.join(0.1)
    assert not got
    theirs.release()
    thread.join(PATIENCE)
    assert got


def test_a_lock_file_that_was_tidied_away_is_made_anew(pool: LockPool, tmp_path: Path) -> None:
    pool.lock("key").acquire()
    pool.lock("key").release()
    os.unlink(lock_path(pool, "key"))
    pool.lock("key").acquire()
    other = LockPool(str(tmp_path), 8)
    thread, got = waiting(other, "key")
    thread.join(0.1)
    assert not got
    pool.lock("key").release()
    thread.join(PATIENCE)
    other.close()


def test_servers_do_not_share_locks(tmp_path: Path) -> None:
    one, two = (LockPool(str(tmp_path), 8, owner) for owner in ("/run/one.pid", "/run/two.pid"))
    one.lock("key").acquire()
    two.lock("key").acquire()
    one.close()
    two.close()


def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    pool = LockPool(str(tmp_path), 8)
    os.mkdir(pool.directory)
    os.chmod(pool.directory, 0o777)
    with pytest.raises(StartError, match="mutex_directory"):
        pool.lock("key").acquire()


def test_a_link_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    pool = LockPool(str(tmp_path), 8)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    os.symlink(tmp_path / "elsewhere", pool.directory)
    with pytest.raises(StartError):
        pool.lock("key").acquire()


def test_a_missing_mutex_directory_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"No such file or directory.*mod_python\.mutex_directory"):
        LockPool(str(tmp_path / "missing"), 8).lock("key").acquire()


def started(function: Callable[[], object]) -> threading.Thread:
    """A thread that does it."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def takes(pool: LockPool) -> bool:
    """Whether somebody else gets the lock."""
    done: list[int] = []

    def take() -> None:
        with pool.lock("key"):
            done.append(1)

    started(take).join(PATIENCE)
    return bool(done)


def waits(thread: threading.Thread) -> bool:
    """Whether a thread is at a lock's gate."""
    assert thread.ident is not None
    frame = sys._current_frames().get(thread.ident)
    return frame is not None and frame.f_code.co_name == "_at_once"


def test_threads_of_a_request_share_its_lock(pool: LockPool, tmp_path: Path) -> None:
    held = RequestLocks().lock(pool.lock("key"))
    held.acquire()
    thread = started(held.acquire)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    other = LockPool(str(tmp_path), 8)
    waiter, got = waiting(other, "key")
    started(held.release).join(PATIENCE)
    waiter.join(0.1)
    assert not got, "still held once"
    started(held.release).join(PATIENCE)
    waiter.join(PATIENCE)
    assert got
    with pytest.raises(RuntimeError, match="not held by this thread or request"):
        held.release()
    other.close()


def test_requests_exclude_each_other_and_threads(pool: LockPool) -> None:
    one, two = (RequestLocks().lock(pool.lock("key")) for _ in range(2))
    one.acquire()
    with pytest.raises(RuntimeError):
        two.release()
    with pytest.raises(RuntimeError):
        pool.lock("key").release()
    thread = started(two.acquire)
    wait_for(lambda: waits(thread), "the other request to wait")
    one.release()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    two.release()
    assert takes(pool)


def test_nothing_is_held_past_a_requests_end(pool: LockPool) -> None:
    locks = RequestLocks()
    lock = pool.lock("key")
    locks.lock(lock).acquire()
    locks.lock(lock).acquire()
    with locks.lock(pool.lock("b")):
        pass
    assert locks.end() == [lock.path]
    assert locks.end() == []
    assert takes(pool)
    with pytest.raises(RuntimeError, match="the request has ended"):
        locks.lock(lock).acquire()
    assert takes(pool)


def test_who_waits_when_its_request_ends_gets_no_lock(pool: LockPool) -> None:
    locks = RequestLocks()
    told: list[str] = []

    def wait() -> None:
        try:
            locks.lock(pool.lock("key")).acquire()
        except RuntimeError as error:
            told.append(str(error))

    with pool.lock("key"):
        thread = started(wait)
        wait_for(lambda: waits(thread), "the thread to wait")
        assert locks.end() == []
    thread.join(PATIENCE)
    assert "the request has ended" in told[0]
    assert takes(pool)


def test_a_database_of_sessions_and_they_take_different_locks(tmp_path: Path) -> None:
    """Where one lock was asked for: the threads of a request may be in the database one at a time only."""
    pool = LockPool(str(tmp_path), 1)
    with pool.lock("key"):
        thread = started(pool.lock(None, 0).acquire)
        thread.join(PATIENCE)
        assert not thread.is_alive()
    pool.close()


@pytest.mark.parametrize("by", ["thread", "request"])
def test_an_interruption_at_the_gate_leaves_nothing_locked(pool: LockPool, by: str) -> None:
    """As below, but the one who has the lock is of the same interpreter."""
    outcome: list[str] = []
    locks = RequestLocks()

    def wait() -> None:
        lock = pool.lock("key")
        try:
            (lock if by == "thread" else locks.lock(lock)).acquire()
        except TimeoutError:
            outcome.append("interrupted")

    with pool.lock("key"):
        thread = started(wait)
        wait_for(lambda: waits(thread), "the thread to wait")
        assert thread.ident is not None
        number, kind = ctypes.c_ulong(thread.ident), ctypes.py_object(TimeoutError)
        assert ctypes.pythonapi.PyThreadState_SetAsyncExc(number, kind) == 1
    thread.join(PATIENCE)
    assert outcome == ["interrupted"]
    assert takes(pool)


def test_an_interruption_while_waiting_leaves_nothing_locked(tmp_path: Path) -> None:
    # a request's time-out is raised in its thread when the wait is over: the lock is its own then
    holder, waiter = (LockPool(str(tmp_path), 8) for _ in range(2))
    holder.lock("key").acquire()
    outcome: list[str] = []

    def wait() -> None:
        try:
            waiter.lock("key").acquire()
        except TimeoutError:
            outcome.append("interrupted")

    thread = threading.Thread(target=wait)
    thread.start()
    wait_for(lambda: has_waiter(holder, "key"), "the thread to wait")
    assert thread.ident is not None
    raised = ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TimeoutError))
    assert raised == 1
    holder.lock("key").release()
    thread.join(PATIENCE)
    assert outcome == ["interrupted"]
    for pool in (holder, waiter):
        thread = threading.Thread(target=pool.lock("key").acquire, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        pool.close()
