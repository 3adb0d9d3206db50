"""What tools/slow-clients and tools/faults see of servers, and what they make of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bearing import faults, faults_page, slow_page
from bearing.faults import FAULTS
from bearing.load import AGAIN, DONE, FAILED, GOOD, REFUSED, Client
from bearing.servers import GUNICORN, KINDS, OWN, Kind, Running, Wish, launched, listens, placed, until
from bearing.slow import SORTS, Crowd, Outcome, Sort, ask, measure
from benching.ground import PEERS, Ground, prepared
from benching.peers import Place

from support.backend import Talk, backend
from support.server import Port
from support.waiting import PATIENCE

BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n0 bytes\n"


def test_how_outcomes_are_told() -> None:
    assert Outcome(1.6, 3.2, 200, 0, 0).cell(200) == "2 / 3"
    assert Outcome(1.6, 130, 200, 0, 0).cell(200) == "**2 / 130**"
    assert Outcome(1.6, 3.2, 190, 10, 0).cell(200) == "**2 / 3, 10 of 200 failed**"
    assert Outcome(1, 2, 200, 0, 0, recovered=False).cell(200) == "1 / 2, **nor when they had left**"
    assert Outcome(0, 0, 0, 8, 7).cell(200) == "**none of 8 served** (7 of 200 sent away)"


def test_the_table_of_slow_clients() -> None:
    rows = {
        "head": {"mpserver (own)": Outcome(1, 2, 9, 0, 0), "granian": Outcome(3, 4, 9, 0, 0)},
        "TLS": {"granian": Outcome(5, 6, 9, 0, 0)},
    }
    assert slow_page.table(rows, 200) == (
        "| slow in | mpserver (own) | granian |\n| --- | --- | --- |\n| head | 1 / 2 | 3 / 4 |\n| TLS |  | 5 / 6 |\n"
    )


def test_the_table_has_a_place_in_its_page() -> None:
    page = slow_page.PAGE.read_text()
    again = slow_page.written(page, "new")
    assert again.count("new\n") >= 1
    assert slow_page.written(again, "newer").count("newer\n") == 1
    assert slow_page.written(slow_page.written(page, "x"), "y") == slow_page.written(page, "y")
    with pytest.raises(ValueError, match="lacks the line"):
        slow_page.written("nothing", "new")


def test_the_page_of_faults() -> None:
    page = faults_page.page({"a fault": {"mpserver": "serves", "Apache": "ends"}, "another": {"Apache": "x"}}, "Here.")
    assert "\nHere.\n\n|  | mpserver | Apache |\n" in page.replace("| | mp", "|  | mp")
    assert "| a fault | serves | ends |\n| another |  | x |\n" in page


def test_each_row_has_a_name_of_its_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len({sort.name for sort in SORTS}) == len(SORTS)
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_what_is_sent_is_http() -> None:
    for sort in SORTS:
        if not sort.tls:
            line, _, rest = sort.first.partition(b"\r\n")
            assert re.fullmatch(rb"(GET|POST) /\S+ HTTP/1\.1", line)
            assert rest.startswith(b"Host: localhost\r\n")
            assert (b"\r\n\r\n" in sort.first) == (sort.name != "head")


def answers(talk: Talk) -> None:
    """Each request at once."""
    while talk.head() is not None:
        talk.send(BODY)


def test_usual_clients_beside_slow_ones_that_hold_nobody() -> None:
    with backend(serve=answers) as server:
        outcome = measure(server.port, SORTS[0]._replace(settle=0), 5, 1, patience=PATIENCE)
        assert (outcome.failed, outcome.gone) == (0, 0)
        assert outcome.done >= 4
        assert 0 < outcome.p50 <= outcome.p99


def test_slow_clients_that_are_sent_away_are_counted() -> None:
    with backend(serve=lambda talk: talk.send(b"HTTP/1.1 408 Too slow\r\n\r\n")) as server:
        crowd = Crowd(server.port, Sort("any", b"x", b"x"), 3)
        crowd.start()
        assert until(lambda: crowd.gone == 3, PATIENCE) is not None
        crowd.leave.set()
        crowd.join()


def test_one_that_was_told_to_continue_is_not_sent_away() -> None:
    reads: list[bytes] = []

    def serve(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        while piece := talk.some():
            reads.append(piece)

    with backend(serve=serve) as server:
        crowd = Crowd(server.port, Sort("any", b"", b"x"), 1)
        crowd.start()
        assert until(lambda: b"".join(reads).startswith(b"xx"), PATIENCE) is not None
        assert crowd.gone == 0
        crowd.leave.set()
        crowd.join()


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 503 No\r\n\r\n0 bytes\n", b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n0 by"],
    ids=["none", "error", "half"],
)
def test_what_is_no_answer(answer: bytes) -> None:
    with backend(serve=lambda talk: talk.send(answer) if talk.head() else None) as server:
        assert not ask(server.port, None, 1)
        assert not faults.answered(server.port, 1)


def test_nobody_answers() -> None:
    port = Port()
    assert not ask(port.number, None, 1)
    assert not faults.answered(port.number)
    port.release()


def outcomes(port: int, keeps: bool, enough: Callable[[Client], bool]) -> Client:
    """A client, until it has seen enough."""
    over = threading.Event()
    client = Client(port, keeps, over)
    client.start()
    try:
        assert until(lambda: enough(client), PATIENCE) is not None
    finally:
        over.set()
        client.join()
    return client


@pytest.mark.parametrize("keeps", [False, True])
def test_good_answers(keeps: bool) -> None:
    with backend(serve=answers) as server:
        client = outcomes(server.port, keeps, lambda client: client.counts[DONE] >= 3)
        assert set(client.counts) == {DONE}
        assert (server.connections == 1) == keeps


def once(talk: Talk) -> None:
    """One request, then the connection ends without a word."""
    if talk.head() is not None:
        talk.send(BODY)


def test_a_kept_connection_that_ends_is_no_failure() -> None:
    with backend(serve=once) as server:
        client = outcomes(server.port, True, lambda client: client.counts[AGAIN] >= 2)
        assert client.counts[FAILED] == 0
        assert client.counts[DONE] >= 2


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("answer", [b"", BODY[:-3], b"HTTP/1.1 503 No\r\nContent-Length: 8\r\n\r\n0 bytes\n"])
def test_failures(keeps: bool, answer: bytes) -> None:
    with backend(serve=lambda talk: talk.send(answer) if talk.head() else None) as server:
        client = outcomes(server.port, keeps, lambda client: client.counts[FAILED] >= 2)
        assert client.counts[DONE] == client.counts[AGAIN] == 0


def test_refused() -> None:
    port = Port()
    client = outcomes(port.number, True, lambda client: client.counts[REFUSED] >= 2)
    port.release()
    assert set(client.counts) == {REFUSED}
    assert BODY.endswith(GOOD)


def test_what_a_server_complains_of(tmp_path: Path) -> None:
    running = Running(OWN, Place(Ground(tmp_path, "", None), "", tmp_path, "", 1, ""))
    (tmp_path / "console.log").write_text("starting\n")
    (tmp_path / "error.log").write_text("[a] [b:c] [pid 1] AH00072: Address | `in use`\n[a] more errors: Error\n")
    assert faults.complaint(running) == "`Address / 'in use'`"


class Script:
    """A server that is a script: its words, in which {port} and {folder} are replaced."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __call__(self, place: Place, _wish: Wish) -> list[list[str]]:
        path = place.run / "server.py"
        path.write_text(self.text.format(port=place.port, folder=place.run))
        return [["python3", str(path)]]


#: A master that leaves a worker behind when it is killed.
LEAVES = """
import os, socket, time
listener = socket.create_server(("127.0.0.1", {port}))
if os.fork() == 0:
    while True:
        client, _ = listener.accept()
        client.recv(9999)
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 8\\r\\nConnection: close\\r\\n\\r\\n0 bytes\\n")
        client.close()
time.sleep(600)
"""
#: One that can't start.
FAILS = "raise SystemExit('Address in use: {port}')"


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with prepared() as made:
        yield made


def scripted(text: str) -> Kind:
    return Kind("script", ("python3",), Script(text))


def test_processes_that_are_left(ground: Ground) -> None:
    kind = scripted(LEAVES)
    place = placed(kind, [ground], ())
    assert place is not None
    with launched(kind, place, Wish()) as running:
        assert listens(running)
        assert until(lambda: len(running.processes()) == 2, PATIENCE) is not None
        (worker,) = running.workers()
        running.master.kill()
        running.master.wait()
        assert running.processes() == [worker]
        assert faults.answered(running.port, PATIENCE)
    assert not running.processes()


def test_a_start_that_fails(ground: Ground) -> None:
    kind = scripted(FAILS)
    place = placed(kind, [ground], ())
    assert place is not None
    with launched(kind, place, Wish()) as running:
        assert not listens(running)
        assert running.said() == f"Address in use: {place.port}\n"
    text = faults.port_in_use(faults.Ring([ground], ()), kind)
    assert re.fullmatch(r"ends after \d+\.\d s with status 1: `Address in use: \d+`", text)


def test_what_is_not_here(ground: Ground) -> None:
    kind = Kind("none", ("no-such-program",), Script(""))
    assert placed(kind, [ground], ()) is None
    with pytest.raises(faults.Missing):
        faults.port_in_use(faults.Ring([ground], ()), kind)


def test_configurations_have_no_gaps(ground: Ground) -> None:
    """Each server's files and words have its port and nothing that is not filled in."""
    for kind in (*KINDS, GUNICORN):
        for wish in (Wish(), Wish(tls=True, error_log="/e", access_log="/a", pid_file="/p")):
            run, inside = ground.run_folder(f"{kind.name}-{wish.tls}".replace(" ", "-"))
            commands = kind.commands(Place(ground, "/program", run, inside, 12345, ""), wish)
            if commands is None:
                continue  # Apache is not installed here
            text = "".join(path.read_text() for path in run.glob("*.conf")) + str(commands)
            assert "12345" in text
            assert not re.search(r"@[A-Z]+@", text)
    assert "${PORT}" in (PEERS / "bearing.conf").read_text()
