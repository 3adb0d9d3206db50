"""The tutorial's programs, as the manual's chapters 3 and 6.1 print them, in every kind of interpreter.

Their files (tests/server/tutorial) are the manual's but for what Python 3 asks. What a reader edits
is edited here: the mail server's address. Four workers run as a daemon.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pytest

from conftest import StartServer
from support import smtp
from support.server import EACH_AND_THREADS, Server
from support.waiting import wait_for

PROGRAMS = Path(__file__).parent / "tutorial"

CONF = """
<Directory "${WWW}/form">
    AddHandler mod_python .py
    PythonHandler mod_python.publisher
    PythonDebug On
</Directory>
<Directory "${WWW}/hello">
    AddHandler mod_python .py
    PythonHandler myscript
    PythonDebug On
</Directory>
<Directory "${WWW}/login">
    AddHandler mod_python .py
    PythonHandler myscript
    PythonAuthenHandler myscript
    PythonDebug On
    AuthType Basic
    AuthName "Restricted Area"
    require valid-user
</Directory>
<Directory "${WWW}/errors">
    AddHandler mod_python .html
    PythonHandler errorpages
    PythonDebug On
</Directory>
<Directory "${WWW}/declined">
    SetHandler mod_python
    PythonHandler decliner
</Directory>
<Directory "${WWW}/publish">
    SetHandler mod_python
    PythonHandler mod_python.publisher
</Directory>
<Directory "${WWW}/traverse">
    SetHandler mod_python
    PythonHandler mod_python.publisher
</Directory>
"""

WORKERS = 4


class Tutorial(NamedTuple):
    """The running server and the mail server that its form writes to."""

    server: Server
    mail: smtp.Sink


#: Every kind of interpreter, and the first with the threads of the worker MPM.


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def tutorial(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Tutorial]:
    """The tutorial's site under ``-k start`` in one kind of interpreter."""
    backend, mpm = request.param
    with smtp.sink() as mail:
        files = {
            str(path.relative_to(PROGRAMS)): path.read_bytes()
            for path in PROGRAMS.rglob("*.*")
            if path.suffix != ".pyc"
        }
        form = files["form/form.py"].decode()
        files["form/form.py"] = form.replace('"localhost"', f'"{mail.address}"').encode()
        server = start_module_server(CONF, files, mode="daemon", backend=backend, mpm=mpm, workers=WORKERS)
        yield Tutorial(server, mail)
        server.close()


def test_four_workers_run(tutorial: Tutorial) -> None:
    wait_for(lambda: len(tutorial.server.workers()) == WORKERS, "all workers")


def test_the_form_is_a_static_page(tutorial: Tutorial) -> None:
    page = tutorial.server.get("/form/form.html")
    assert (page.status, page.header("Content-Type")) == (200, "text/html")
    assert '<form action="form.py/email" method="POST">' in page.text


def test_the_form_sends_mail(tutorial: Tutorial) -> None:
    tutorial.mail.mails.clear()
    fields = {"name": "Zoe", "email": "zoe@example.org", "comment": "More spam & less eggs, 100%"}
    sent = tutorial.server.request(
        "POST",
        "/form/form.py/email",
        urlencode(fields),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert (sent.status, sent.header("Content-Type")) == (200, "text/html")
    assert sent.text.startswith("<html>\n\nDear Zoe,<br>\nThank You for your kind comments")
    [mail] = tutorial.mail.mails
    assert (mail.sender, mail.recipients) == ("zoe@example.org", ["webmaster"])
    assert mail.text.startswith("From: zoe@example.org\nSubject: feedback\nTo: webmaster\n\n")
    assert "I have the following comment:\n\nMore spam & less eggs, 100%\n\nThank You,\n\nZoe\n" in mail.text


def test_the_form_takes_multipart_too(tutorial: Tutorial) -> None:
    tutorial.mail.mails.clear()
    parts = [("name", "Joe"), ("email", "joe@example.org"), ("comment", "two\r\nlines")]
    body = "".join(
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in parts
    )
    sent = tutorial.server.request(
        "POST",
        "/form/form.py/email",
        body + "--edge--\r\n",
        {"Content-Type": "multipart/form-data; boundary=edge"},
    )
    assert (sent.status, "Dear Joe,<br>" in sent.text) == (200, True)
    [mail] = tutorial.mail.mails
    assert "two\nlines\n" in mail.text


def test_a_missing_field_is_told(tutorial: Tutorial) -> None:
    sent = tutorial.server.get("/form/form.py/email?name=Joe&email=joe@example.org&comment=")
    assert sent.status == 200
    assert sent.text.startswith("A required parameter is missing,")
    assert sent.header("Content-Type") == "text/plain"


def test_hello(tutorial: Tutorial) -> None:
    hello = tutorial.server.get("/hello/myscript.py")
    assert (hello.status, hello.header("Content-Type"), hello.text) == (200, "text/plain", "Hello World!")


@pytest.mark.parametrize("name", ["montypython.py", "any/where/else.py"])
def test_hello_under_any_name(tutorial: Tutorial, name: str) -> None:
    (tutorial.server.www / "hello" / "any" / "where").mkdir(parents=True, exist_ok=True)
    hello = tutorial.server.get(f"/hello/{name}")
    assert (hello.status, hello.text) == (200, "Hello World!")


def test_other_extensions_are_not_the_handlers(tutorial: Tutorial) -> None:
    assert tutorial.server.get("/hello/montypython.txt").status == 404


def test_login_is_asked_for(tutorial: Tutorial) -> None:
    refused = tutorial.server.get("/login/myscript.py")
    assert refused.status == 401
    assert refused.header("WWW-Authenticate") == 'Basic realm="Restricted Area"'
    assert "Hello" not in refused.text


@pytest.mark.parametrize(
    ("login", "status"),
    [(("spam", "eggs"), 200), (("spam", "spam"), 401), (("eggs", "spam"), 401), (("", ""), 401)],
)
def test_login(tutorial: Tutorial, login: tuple[str, str], status: int) -> None:
    reply = tutorial.server.get("/login/anything.py", auth=login)
    assert reply.status == status
    assert (reply.text == "Hello World!") == (status == 200)
    assert (reply.header("WWW-Authenticate") is None) == (status == 200)


def test_the_servers_404_page(tutorial: Tutorial) -> None:
    page = tutorial.server.get("/errors/apache-error.html")
    assert (page.status, page.reason) == (404, "Not Found")
    assert "<title>404 Not Found</title>" in page.text


def test_the_handlers_404_page(tutorial: Tutorial) -> None:
    page = tutorial.server.get("/errors/handler-error.html")
    assert (page.status, page.reason) == (404, "Not Found")
    assert page.text == "Page not here. Page left, not know where gone."


def test_a_page_from_its_file(tutorial: Tutorial) -> None:
    page = tutorial.server.get("/errors/there.html")
    assert (page.status, page.text) == (200, "<p>A page that is there.</p>\n")


def test_declined_falls_through_to_the_file(tutorial: Tutorial) -> None:
    file = tutorial.server.get("/declined/plain.txt")
    assert (file.status, file.text) == (200, "Sent by the default handler.\n")
    assert file.header("Content-Type") == "text/plain"
    assert file.header("Content-Length") == str(len(file.body))
    tag = file.header("ETag")
    assert tag is not None
    assert file.header("Last-Modified") is not None
    again = tutorial.server.get("/declined/plain.txt", {"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    part = tutorial.server.get("/declined/plain.txt", {"Range": "bytes=0-3"})
    assert (part.status, part.text) == (206, "Sent")


def test_declined_for_no_file_is_not_found(tutorial: Tutorial) -> None:
    assert tutorial.server.get("/declined/none.txt").status == 404


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/traverse/index/index", "We are in index()"),
        ("/traverse/index/", "We are in index()"),
        ("/traverse/index/hello", "We are in hello()"),
        ("/traverse/", "We are in index()"),
        ("/traverse/hello", "We are in hello()"),
        ("/publish/hello.py/say", "I am saying NOTHING"),
        ("/publish/hello.py/say?what=hello", "I am saying hello"),
    ],
)
def test_publisher_traversal(tutorial: Tutorial, path: str, text: str) -> None:
    reply = tutorial.server.get(path)
    assert (reply.status, reply.text) == (200, text)


@pytest.mark.parametrize("path", ["/traverse/spam", "/traverse/index/spam", "/publish/none.py/say"])
def test_publisher_finds_nothing(tutorial: Tutorial, path: str) -> None:
    assert tutorial.server.get(path).status == 404


@pytest.mark.parametrize("path", ["/publish/members/__auth__", "/publish/hello/_private", "/publish/hello.py/say/more"])
def test_publisher_refuses_to_traverse(tutorial: Tutorial, path: str) -> None:
    assert tutorial.server.get(path, auth=("eggs", "spam")).status == 403


def test_publisher_folder_without_slash_redirects(tutorial: Tutorial) -> None:
    reply = tutorial.server.get("/traverse")
    assert (reply.status, (reply.header("Location") or "").endswith("/traverse/")) == (301, True)


@pytest.mark.parametrize("module", ["members", "tables"])
@pytest.mark.parametrize(
    ("login", "status"),
    [(("eggs", "spam"), 200), (("joe", "eoj"), 403), (("joe", "spam"), 401), (None, 401)],
)
def test_publisher_auth_and_access(tutorial: Tutorial, module: str, login: tuple[str, str] | None, status: int) -> None:
    reply = tutorial.server.get(f"/publish/{module}/hello", auth=login)
    assert reply.status == status
    assert (reply.text == "hello") == (status == 200)
    if status == 401:
        # mod_python writes it with spaces, which clients take as well
        assert (reply.header("WWW-Authenticate") or "").replace(" = ", "=") == 'Basic realm="Members only"'


@pytest.mark.parametrize(("login", "status"), [(("spam", "eggs"), 200), (("spam", "ham"), 401), (None, 401)])
def test_publisher_nested_auth(tutorial: Tutorial, login: tuple[str, str] | None, status: int) -> None:
    reply = tutorial.server.get("/publish/nested/sensitive", auth=login)
    assert reply.status == status
    assert (reply.text == "sensitive information") == (status == 200)


def test_no_program_wrote_an_error(tutorial: Tutorial) -> None:
    assert "Traceback" not in tutorial.server.log()
