"""Health checks of balancers' members (httpd's mod_proxy_hcheck)."""

from __future__ import annotations

import json
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from conftest import StartServer
from support.backend import Asked, Backend, Talk, backend
from support.processes import alive, describe, session
from support.server import Server
from support.waiting import wait_for

TITLE = "mpserver: health checks"

CONF = """
LogLevel proxy_hcheck:debug
ProxyHCTPsize 4
ProxyHCExpr fine {%{REQUEST_STATUS} =~ /^[23]/ && hc('body') !~ /maintenance/ && resp('X-State') != 'bad'}
ProxyHCTemplate asked hcmethod=GET hcinterval=100ms hcuri=/health
ProxyHCTemplate judged hctemplate=asked hcexpr=fine
<Proxy balancer://asked>
    BalancerMember http://127.0.0.1:${ONE}/asked hctemplate=asked hcfails=2 hcpasses=3 route=one
    BalancerMember http://127.0.0.1:${TWO}/asked hctemplate=asked hcmethod=HEAD11 hcuri=health?head route=two
    ProxySet stickysession=S
</Proxy>
<Proxy balancer://judged>
    BalancerMember http://127.0.0.1:${ONE}/judged hctemplate=judged
    BalancerMember http://127.0.0.1:${TWO}/judged hctemplate=judged
</Proxy>
<Proxy balancer://options>
    BalancerMember http://127.0.0.1:${TWO}/options hcmethod=OPTIONS hcinterval=100ms
    BalancerMember http://127.0.0.1:${DEAD}/options hcmethod=TCP hcinterval=100ms retry=0
</Proxy>
<Proxy balancer://spare>
    BalancerMember http://127.0.0.1:${ONE}/spare hctemplate=asked
    BalancerMember http://127.0.0.1:${TWO}/spare status=+R
</Proxy>
<Proxy balancer://begins>
    BalancerMember http://127.0.0.1:${ONE}/begins hctemplate=asked status=+C
    BalancerMember http://127.0.0.1:${TWO}/begins hctemplate=asked status=+C
</Proxy>
<Proxy balancer://stopped>
    BalancerMember http://127.0.0.1:${ONE}/stopped hctemplate=asked status=+S
</Proxy>
<Proxy balancer://silent>
    BalancerMember http://127.0.0.1:${ONE}/silent hctemplate=asked timeout=200ms
</Proxy>
ProxyPass /asked balancer://asked
ProxyPass /judged balancer://judged
ProxyPass /options balancer://options
ProxyPass /spare balancer://spare
ProxyPass /begins balancer://begins
ProxyPass /stopped balancer://stopped
<Location /status>
    SetHandler server-status
    Require all granted
</Location>
<Location /metrics>
    SetHandler server-metrics
    Require all granted
</Location>
"""

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"


class Behind:
    """Two servers behind, whose answers to checks are chosen: by the number and the path, all of an answer."""

    def __init__(self) -> None:
        self.says: dict[tuple[int, str], bytes] = {}
        self.servers: list[Backend] = []

    def answer(self, asked: Asked, talk: Talk) -> bytes | None:
        """Answers checks as it is told, and says who it is to others."""
        number = [server.port for server in self.servers].index(talk.sock.getsockname()[1]) + 1
        path = asked.path.partition("?")[0]
        if path.endswith("/health") or path == "*":
            said = self.says.get((number, path), GOOD)
            if said == b"silence":
                talk.some()  # (nothing comes but the end)
                return b""
            talk.send(said.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if asked.line.startswith("HEAD") else said)
            return b""
        text = b"%d" % number
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)

    def checks(self, number: int, path: str) -> list[Asked]:
        """The checks that one of them was asked."""
        return [asked for asked in list(self.servers[number - 1].asked) if asked.path.startswith(path)]


@pytest.fixture(scope="module")
def behind() -> Iterator[Behind]:
    """Two servers behind."""
    made = Behind()
    with backend(made.answer) as one, backend(made.answer) as two:
        made.servers = [one, two]
        yield made


@pytest.fixture(scope="module")
def dead() -> Iterator[int]:
    """A port that nobody listens at, nor will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@pytest.fixture(scope="module", params=["prefork", "worker"])
def server(
    request: pytest.FixtureRequest, start_module_server: StartServer, behind: Behind, dead: int
) -> Iterator[Server]:
    """One server for each MPM."""
    behind.says = {
        (1, "/begins/health"): b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
        (1, "/silent/health"): b"silence",
    }
    one, two = behind.servers
    told = {"ONE": str(one.port), "TWO": str(two.port), "DEAD": str(dead)}
    found = start_module_server(CONF, mpm=request.param, variables=told, mode="foreground", workers=2)
    yield found
    found.close()


def spread(server: Server, path: str, requests: int = 8) -> dict[str, int]:
    """How many of some requests each server behind has answered; by statuses where none has."""
    replies = [server.get(path) for _ in range(requests)]
    return dict(Counter(reply.text if reply.status == 200 else str(reply.status) for reply in replies))


def changed(server: Server, behind: Behind, word: str, number: int, path: str, times: int = 1) -> None:
    """Wait until the log tells, so many times, that checks have changed what is thought of a member."""
    text = f"Health check {word} http://127.0.0.1:{behind.servers[number - 1].port}{path}"
    wait_for(lambda: server.log().count(text) >= times, f"{text}, {times} times:\n{server.log()}")


def members(server: Server) -> dict[str, Any]:
    """The members, as the status page has them, by their URLs."""
    found = json.loads(server.get("/status?json").body)["server"].get("members", [])
    return {one["url"]: one for one in found}


def checkers(server: Server) -> list[psutil.Process]:
    """The processes that check."""
    assert server.master is not None
    return [process for process in session(server.master) if TITLE in describe(process)]


def test_a_member_that_fails_gets_no_requests(server: Server, behind: Behind) -> None:
    path = "/asked/health"
    wait_for(lambda: behind.checks(1, path) and behind.checks(2, path), "the first checks")
    assert set(spread(server, "/asked/x")) == {"1", "2"}
    behind.says[1, path] = b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n"
    changed(server, behind, "DISABLING", 1, "/asked of balancer://asked: it answered with 404")
    assert spread(server, "/asked/x") == {"2": 8}
    assert server.get("/asked/x", {"Cookie": "S=1.one"}).text == "2"
    port = behind.servers[0].port
    wait_for(lambda: members(server)[f"http://127.0.0.1:{port}/asked"]["failed"], "the page to tell")
    page = server.get("/status").text
    assert "Members of balancers that are checked" in page and "has failed" in page
    sample = f'mpserver_balancer_member_up{{balancer="balancer://asked",member="http://127.0.0.1:{port}/asked"}} 0'
    assert sample in server.get("/metrics").text
    del behind.says[1, path]
    changed(server, behind, "ENABLING", 1, "/asked")
    assert set(spread(server, "/asked/x")) == {"1", "2"}
    assert server.get("/asked/x", {"Cookie": "S=1.one"}).text == "1"


def test_how_members_are_asked(server: Server, behind: Behind) -> None:
    ports = [each.port for each in behind.servers]
    first = wait_for(lambda: behind.checks(1, "/asked/health"), "a check")[-1]
    assert (first.line, first.fields) == ("GET /asked/health HTTP/1.0", [("Host", f"127.0.0.1:{ports[0]}")])
    second = wait_for(lambda: behind.checks(2, "/asked/health"), "a check")[-1]
    assert (second.line, second.field("host")) == ("HEAD /asked/health?head HTTP/1.1", f"127.0.0.1:{ports[1]}")
    third = wait_for(lambda: behind.checks(2, "*"), "a check")[-1]
    assert third.line == "OPTIONS * HTTP/1.0"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nunder maintenance",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nmaintenance",
        b"HTTP/1.1 200 OK\r\nX-State: bad\r\nContent-Length: 0\r\n\r\n",
        b"nothing that was ever an answer\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nless",
    ],
    ids=["status", "body", "interim", "header", "broken", "short"],
)
def test_what_a_condition_says(server: Server, behind: Behind, answer: bytes) -> None:
    port = behind.servers[0].port
    text = f"Health check ENABLING http://127.0.0.1:{port}/judged"
    before = server.log().count(text)
    behind.says[1, "/judged/health"] = answer
    changed(server, behind, "DISABLING", 1, "/judged", before + 1)
    assert spread(server, "/judged/x", 4) == {"2": 4}
    del behind.says[1, "/judged/health"]
    changed(server, behind, "ENABLING", 1, "/judged", before + 1)
    assert set(spread(server, "/judged/x", 4)) == {"1", "2"}


def test_nobody_waits_for_a_member_that_can_not_be_reached(server: Server, behind: Behind) -> None:
    server.wait_for_log("/options of balancer://options: attempt to connect to 127.0.0.1:")
    assert spread(server, "/options/x") == {"2": 8}
    assert not [line for line in server.log().splitlines() if "[proxy:error]" in line and "attempt to connect" in line]


def test_a_spare_takes_the_place_of_a_member_that_fails(server: Server, behind: Behind) -> None:
    wait_for(lambda: spread(server, "/spare/x") == {"1": 8}, "the member to get requests")
    before = server.log().count(f"Health check ENABLING http://127.0.0.1:{behind.servers[0].port}/spare")
    behind.says[1, "/spare/health"] = b"HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n"
    changed(server, behind, "DISABLING", 1, "/spare", before + 1)
    assert spread(server, "/spare/x") == {"2": 8}
    del behind.says[1, "/spare/health"]
    changed(server, behind, "ENABLING", 1, "/spare", before + 1)
    assert spread(server, "/spare/x") == {"1": 8}


def test_members_that_begin_as_failed(server: Server, behind: Behind) -> None:
    changed(server, behind, "ENABLING", 2, "/begins")
    assert spread(server, "/begins/x") == {"2": 8}
    assert server.get("/stopped/x").status == 503
    assert not behind.checks(1, "/stopped"), "nobody asks one that was stopped"


def test_an_answer_that_does_not_come(server: Server, behind: Behind) -> None:
    changed(server, behind, "DISABLING", 1, "/silent of balancer://silent: ")
    port = behind.servers[0].port
    server.wait_for_log(f"Health check of http://127.0.0.1:{port}/silent failed: nothing came within 0.2 s")


def test_one_process_checks_for_all_workers(server: Server) -> None:
    wait_for(lambda: len(server.workers()) == 2, "two workers")
    checker = wait_for(lambda: checkers(server), "the process that checks")
    assert len(checker) == 1
    checker[0].kill()
    server.wait_for_log(
        f"the process for health checks (pid {checker[0].pid}) ended with signal 9; it is started again"
    )
    again = wait_for(lambda: checkers(server), "another one")
    assert len(again) == 1 and again[0].pid != checker[0].pid


def test_a_restart_knows_how_members_stood(server: Server, behind: Behind) -> None:
    path = "/judged/health"
    text = f"Health check DISABLING http://127.0.0.1:{behind.servers[0].port}/judged"
    before = server.log().count(text)
    behind.says[1, path] = b"HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n"
    changed(server, behind, "DISABLING", 1, "/judged", before + 1)
    asked = len(behind.checks(1, path))
    checker = wait_for(lambda: checkers(server), "the process that checks")[0]
    restarts = server.log().count("resuming normal operations")
    server.send(signal.SIGUSR1)
    wait_for(lambda: server.log().count("resuming normal operations") > restarts, "the restart")
    wait_for(lambda: not alive(checker), "the former process to end")
    wait_for(lambda: len(behind.checks(1, path)) > asked + 5, "checks of the new process")
    assert spread(server, "/judged/x", 4) == {"2": 4}
    assert server.log().count(text) == before + 1, "nothing has changed"
    back = f"Health check ENABLING http://127.0.0.1:{behind.servers[0].port}/judged"
    count = server.log().count(back)
    del behind.says[1, path]
    wait_for(lambda: server.log().count(back) > count, "it to come back")


def test_a_server_of_one_process_has_them_too(start_server: StartServer, behind: Behind, dead: int) -> None:
    one, two = behind.servers
    behind.says[1, "/spare/health"] = b"HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n"
    told = {"ONE": str(one.port), "TWO": str(two.port), "DEAD": str(dead)}
    server = start_server(CONF, variables=told, mode="one")
    changed(server, behind, "DISABLING", 1, "/spare")
    assert spread(server, "/spare/x", 3) == {"2": 3}
    checker = checkers(server)
    assert len(checker) == 1
    server.stop()
    wait_for(lambda: not alive(checker[0]), "it to end with the server")
    del behind.says[1, "/spare/health"]


ALIKE = """
LogLevel proxy_hcheck:debug
<VirtualHost *>
    ServerName patient.example
    <Proxy balancer://alike>
        BalancerMember http://127.0.0.1:${ONE}/alike hcmethod=GET hcinterval=100ms hcuri=/health
    </Proxy>
    ProxyPass / balancer://alike/
</VirtualHost>
<VirtualHost *>
    ServerName hasty.example
    ProxyTimeout 2
    <Proxy balancer://alike>
        BalancerMember http://127.0.0.1:${ONE}/alike hcmethod=GET hcinterval=100ms hcuri=/health
    </Proxy>
    ProxyPass / balancer://alike/
</VirtualHost>
"""


def test_members_that_look_alike_are_judged_by_their_own_hosts(start_server: StartServer, behind: Behind) -> None:
    behind.says[1, "/alike/health"] = b"silence"
    server = start_server(ALIKE, variables={"ONE": str(behind.servers[0].port)}, mode="foreground", workers=1)
    changed(server, behind, "DISABLING", 1, "/alike of balancer://alike: nothing came within 2 s")
    assert server.get("/x", host="hasty.example").status == 503
    assert server.get("/x", host="patient.example").text == "1"
    assert server.log().count("Health check DISABLING") == 1
    del behind.says[1, "/alike/health"]
    changed(server, behind, "ENABLING", 1, "/alike")
    assert server.get("/x", host="hasty.example").text == "1"
