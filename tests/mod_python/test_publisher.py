"""The publisher against manual 6.1 and api 3.5 1.13.

What `SITE` answers is what Apache with mod_python 3.5 answered for the same files, but for the
differences that are meant (generators are streamed, guards in functions work).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mod_python import publisher
from mod_python._forms import storage

Make = Callable[..., Any]
Outcome = Callable[..., Any]
SITE = Path(__file__).parent.parent / "apps" / "publisher"


def get(make: Make, outcome: Outcome, url: str, **members: Any) -> tuple[int, Any]:
    """The status of a URL's response, and its request."""
    req = make(url, SITE, **members)
    result = outcome(publisher.handler, req)
    return (result[0] or req.status), req


# ---- which object a URL names


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("/", "root index"),
        ("/index", "root index"),
        ("/index.py", "root index"),
        ("/index/", "root index"),
        ("/index/hello", "hello 'x'"),
        ("/hello", "hello 'x'"),
        ("/hello/", "hello 'x'"),
        ("/hello/x", 403),
        ("/hello?name=a", "hello 'a'"),
        ("/index.py/hello", "hello 'x'"),
        ("/spam", 404),
        ("/spam/", 404),
        ("/index.html", 403),
        ("/index.html/hello", 403),
        ("/_hidden", 403),
        ("/index/_hidden", 403),
        ("/where", "index.py "),
        ("/where/", "index.py /"),
        ("/index/where", "index.py /where"),
        ("/sub/", "sub index"),
        ("/sub/obj", "sub obj"),
        ("/sub/mod", "sub mod"),
        ("/sub/mod.py", "sub mod"),
        ("/sub/mod/x", 404),
        ("/sub/nope", 404),
        ("/sub/mod.html", 404),
        ("/other/", 404),
        ("/other/x", 404),
        ("/page.txt", 404),
        ("/page.txt/x", 404),
        ("/a.b.c", 404),
        ("/mod/p.attr", "pattr"),
        ("/mod/f.x", 403),
        ("/mod/.s", 404),
        ("/mod/s.", 404),
        ("/mod", 404),
    ],
)
def test_traversal(make_request: Make, outcome: Outcome, url: str, answer: str | int) -> None:
    status, req = get(make_request, outcome, url)
    assert (status if isinstance(answer, int) else req.text) == answer
    assert status == (answer if isinstance(answer, int) else 200)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("s", "text"),
        ("i", "5"),
        ("n", ""),
        ("lst", "[1, 2]"),
        ("d", "{'k': 'v', '_u': 1}"),
        ("d/k", 404),
        ("d/_u", 403),
        ("d/keys", 403),
        ("b", "b'bytes'"),
        ("e", ""),
        ("z", "0"),
        ("C", 403),
        ("C/attr", 403),
        ("C/m", 403),
        ("WithMeta", 403),
        ("WithMeta/attr", 403),
        ("inst", "called 'call'"),
        ("inst?a=1", "called '1'"),
        ("inst/m?a=2", "m '2'"),
        ("inst/attr", "cattr"),
        ("p", "P-str"),
        ("p/attr", "pattr"),
        ("p/ia", "ia"),
        ("p/_u", 403),
        ("p/__class__", 403),
        ("p/m?a=3", "m '3' /mod/p/m"),
        ("p/m/x", 403),
        ("p/prop", "prop"),
        ("bm", "m 'd' /mod/bm"),
        ("os", 403),
        ("os/name", 403),
        ("apache", 403),
        ("f?a=1", "f '1' 'B'"),
        ("f?a=1&a=2&b=", "f ['1', '2'] ''"),
        ("f?a=1&req=2", "f '1' 'B'"),
        ("f/x", 403),
        ("f/__name__", 403),
        ("g?a=1&req=2", "g '1'"),
        ("none", ""),
        ("wrote", "written"),
        ("empty", ""),
        ("nested?a=1", "again 1"),
        ("a_class", "P-str"),
        ("an_instance", "called 'call'"),
        ("a_list", "['a', 1]"),
        ("some_bytes", "b'xyz'"),
        ("own_404", "own 404"),
        ("gone", 410),
        ("form?a=1&a=2&b=", "FieldStorage ['a', 'b']"),
        ("lam", "lam"),
        ("builtin", 403),
        ("bound_builtin", 403),
        ("s/upper", 403),
        ("frame", 403),
        ("frame/f_globals", 403),
        ("a_generator/gi_frame", 403),
        ("alias/attr", 403),
        ("space", "namespace(inner='in a space')"),
        ("space/inner", 403),
        ("names/inner", "in names"),
    ],
)
def test_objects(make_request: Make, outcome: Outcome, name: str, answer: str | int) -> None:
    status, req = get(make_request, outcome, "/mod/" + name)
    assert (status if isinstance(answer, int) else req.text) == answer


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("_x", "Cannot traverse _x in /mod/_x because it starts with an underscore"),
        ("f/y", "is not a traversable object"),
        ("builtin", "Cannot publish builtin in /mod/builtin because"),
    ],
)
def test_refusals_are_logged(make_request: Make, outcome: Outcome, name: str, fragment: str) -> None:
    _, req = get(make_request, outcome, "/mod/" + name)
    ((message, level),) = req.logged
    assert fragment in message
    assert level == 4


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("s", "text/plain"), ("html", "text/html"), ("page", "text/html"), ("typed", "text/csv"), ("n", None)],
)
def test_content_type(make_request: Make, outcome: Outcome, name: str, content_type: str | None) -> None:
    _, req = get(make_request, outcome, "/mod/" + name)
    assert req.content_type == content_type
    assert all(flush == 0 for _, flush in req.written)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_other_methods(make_request: Make, outcome: Outcome, method: str) -> None:
    status, req = get(make_request, outcome, "/mod/nope", method=method)
    assert status == 405
    assert req.mp_allowed_methods == ("GET", "POST", "HEAD")


def test_post_and_head(make_request: Make, outcome: Outcome) -> None:
    status, req = get(make_request, outcome, "/mod/f?a=1", method="POST", body=b"b=2")
    assert (status, req.text) == (200, "f '1' '2'")
    assert get(make_request, outcome, "/mod/s", method="HEAD")[1].text == "text"
    assert get(make_request, outcome, "/mod/f", method="POST")[0] == 411


def test_the_form_of_a_post_is_there_for_every_callable(make_request: Make, outcome: Outcome) -> None:
    _, req = get(make_request, outcome, "/mod/nested", method="POST", body=b"a=1")
    assert req.text == "again 1"
    assert isinstance(req.form, storage.FieldStorage)


def test_missing_arguments_and_endless_results_are_errors(make_request: Make) -> None:
    with pytest.raises(TypeError):
        publisher.handler(make_request("/mod/f", SITE))
    with pytest.raises(RecursionError):
        publisher.handler(make_request("/mod/endless", SITE))


def test_debug_tells_that_there_was_nothing(make_request: Make, outcome: Outcome) -> None:
    _, req = get(make_request, outcome, "/mod/none", config={"PythonDebug": "1"})
    assert ("mod_python.publisher: nothing to publish.", 3) in req.logged
    assert get(make_request, outcome, "/mod/none")[1].logged == []


def test_a_location_has_nothing_to_publish(make_request: Make, outcome: Outcome) -> None:
    req = make_request("/x")
    assert outcome(publisher.handler, req) == (404,)
    assert len(req.logged) == 1


def test_extensions_of_addhandler_belong_to_no_name(make_request: Make, outcome: Outcome) -> None:
    assert get(make_request, outcome, "/mod.foo/s", exts="bar foo ")[1].text == "text"
    assert get(make_request, outcome, "/mod.Foo/s", exts="bar foo ")[0] == 404  # names of files have a case
    assert get(make_request, outcome, "/mod.PY/s")[0] == 404
    assert get(make_request, outcome, "/mod.py/s", exts="bar foo ")[0] == 404
    assert get(make_request, outcome, "/mod.baz/s", extension=".baz")[1].text == "text"


# ---- generators


def test_generators_are_streamed(make_request: Make, outcome: Outcome) -> None:
    _, req = get(make_request, outcome, "/mod/gen")
    assert req.written == [("a", 1), (b"\xc3\xa9", 1), ("1", 1)]
    assert req.content_type == "text/plain"
    assert get(make_request, outcome, "/mod/gen_html")[1].content_type == "text/html"


def test_generators_are_closed(make_request: Make) -> None:
    req = make_request("/mod/gen_closed", SITE)
    with pytest.raises(ValueError, match="on the way"):
        publisher.handler(req)
    assert req.notes["closed"] == "1"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("an_iterator", "ab"),
        ("views?which=keys", "12"),
        ("views?which=values", "ab"),
        ("views?which=items", "(1, 'a')(2, 'b')"),
        ("mapped", "24"),
        ("own_iterable", "onetwo"),
        ("own_iterable_with_text", "its text"),
        ("lst", "[1, 2]"),
        ("a_set", "{1}"),
        ("a_range", "range(0, 3)"),
    ],
)
def test_iterables(make_request: Make, outcome: Outcome, name: str, answer: str) -> None:
    assert get(make_request, outcome, f"/mod/{name}")[1].text == answer


@pytest.mark.parametrize(
    ("value", "told"), [("403", "403 Forbidden"), ("500", "500 Internal Server Error"), ("200", ""), ("7", "")]
)
def test_a_status_that_is_returned_is_text_and_told(
    make_request: Make, outcome: Outcome, value: str, told: str
) -> None:
    status, req = get(make_request, outcome, f"/mod/number?value={value}")
    assert (status, req.text) == (200, value)
    assert [level for _, level in req.logged] == ([4] if told else [])
    assert all(f"/mod/number?value={value} returned {value}" in text and told in text for text, _ in req.logged)


# ---- guards

SPAM, EGGS, JOE, K = "spam:eggs", "eggs:spam", "joe:eoj", "k:x"


@pytest.mark.parametrize(
    ("url", "login", "status"),
    [
        ("/members/hello", None, 401),
        ("/members/hello", EGGS, 200),
        ("/members/hello", "eggs:bad", 401),
        ("/members/hello", JOE, 403),
        ("/members/nope", EGGS, 404),
        ("/members/nope", None, 401),
        ("/guards/plain", None, 200),
        ("/guards/plain", SPAM, 200),
        ("/guards/closed", None, 401),
        ("/guards/closed", SPAM, 401),
        ("/guards/any_login", None, 401),
        ("/guards/any_login", SPAM, 200),
        ("/guards/nobody", None, 403),
        ("/guards/nobody", SPAM, 403),
        ("/guards/everybody", None, 200),
        ("/guards/nested", None, 401),
        ("/guards/nested", SPAM, 200),
        ("/guards/nested", "spam:bad", 401),
        ("/guards/by_lambda", SPAM, 200),
        ("/guards/by_lambda", K, 401),
        ("/guards/attributes", SPAM, 200),
        ("/guards/attributes", JOE, 401),
        ("/guards/k", None, 401),
        ("/guards/k", K, 200),
        ("/guards/k/open", None, 401),
        ("/guards/k/open", SPAM, 401),
        ("/guards/k/open", K, 200),
        ("/guards/k/shut", K, 403),
        ("/guards/l/page", SPAM, 200),
        ("/guards/l/page", JOE, 403),
        ("/guards/l/page", "spam:", 401),
        ("/guards/l/page", "nobody:None", 401),
        ("/guards/l/page", "zo\xeb:\xe9", 200),
        ("/guards/m/page", None, 401),
        ("/guards/m/page", SPAM, 401),
        ("/guards/n/page", None, 403),
        ("/guards/n/page", SPAM, 200),
        ("/guards/K/open", K, 403),
    ],
)
def test_guards(make_request: Make, outcome: Outcome, url: str, login: str | None, status: int) -> None:
    assert get(make_request, outcome, url, login=login)[0] == status


def test_challenges_name_the_realm(make_request: Make, outcome: Outcome) -> None:
    for url, login, challenge in [
        ("/members/hello", None, 'Basic realm="The \\"Members\\""'),
        ("/members/hello", "eggs:bad", 'Basic realm = "The \\"Members\\""'),
        ("/guards/nested", None, 'Basic realm="nested"'),
        ("/guards/k/open", None, 'Basic realm="K"'),
        ("/guards/m/page", None, 'Basic realm="unknown"'),
    ]:
        _, req = get(make_request, outcome, url, login=login)
        assert req.err_headers_out["WWW-Authenticate"] == challenge


@pytest.mark.parametrize("header", ["Digest x", "Basic !!!", "Basic", "Basic aGVsbG8=", "Basic \xe9", "Bearer OjoK"])
def test_other_credentials(make_request: Make, outcome: Outcome, header: str) -> None:
    headers = {"Authorization": header}
    assert get(make_request, outcome, "/members/hello", headers=headers)[0] == 400
    assert get(make_request, outcome, "/guards/n/page", headers=headers)[0] == 400
    assert get(make_request, outcome, "/guards/plain", headers=headers)[0] == 200


def test_credentials_in_latin_1(make_request: Make, outcome: Outcome) -> None:
    headers = {"Authorization": "Basic em/rOuk="}
    assert get(make_request, outcome, "/guards/l/page", headers=headers)[0] == 200


def test_access_for_a_user_that_a_handler_authenticated(make_request: Make, outcome: Outcome) -> None:
    headers = {"Authorization": "Digest x"}
    assert get(make_request, outcome, "/guards/n/page", headers=headers, user="spam")[0] == 200
    assert get(make_request, outcome, "/guards/n/page", user="joe")[0] == 403


@pytest.mark.parametrize("name", ["unclear", "depends", "uses_a_local"])
def test_guards_that_cannot_be_worked_out_close_the_door(make_request: Make, name: str) -> None:
    for login in (None, SPAM):
        with pytest.raises(TypeError, match="__auth__"):
            publisher.handler(make_request("/guards/" + name, SITE, login=login))


def test_the_names_of_guards(make_request: Make, outcome: Outcome, tmp_path: Path) -> None:
    """Each name by itself: who may come in, who may go on, and how the door is called."""
    (tmp_path / "auth.py").write_text("__auth__ = {'joe': 'pw'}\n__auth_realm__ = 'mine'\ndef page(): return 'in'\n")
    (tmp_path / "access.py").write_text("__access__ = ['joe']\ndef page(): return 'in'\n")
    for url, login, status in [
        ("/auth/page", None, 401), ("/auth/page", "joe:no", 401), ("/auth/page", "joe:pw", 200),
        ("/access/page", "ann:pw", 403), ("/access/page", "joe:no", 200),
    ]:  # fmt: skip
        req = make_request(url, tmp_path, login=login)
        assert (outcome(publisher.handler, req)[0] or req.status) == status
        assert req.err_headers_out.get("WWW-Authenticate", "mine").count("mine") == 1


# ---- loading modules


def write(path: Path, text: str) -> None:
    """Write a page, as if some time had passed since it was written last."""
    path.write_text(text)
    before = path.stat().st_mtime_ns
    os.utime(path, ns=(before, before + 1_000_000))


def ask(make: Make, root: Path, url: str, **members: Any) -> Any:
    req = make(url, root, **members)
    publisher.handler(req)
    return req


def test_modules_of_one_name_are_two(make_request: Make, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.py").write_text(f"def index():\n    return {name!r}\n")
    assert [ask(make_request, tmp_path, f"/{name}/same").text for name in ("a", "b", "a")] == ["a", "b", "a"]


def test_changed_modules_are_loaded_anew(make_request: Make, tmp_path: Path) -> None:
    page = tmp_path / "page.py"
    write(page, "count = 0\ndef index():\n    global count\n    count += 1\n    return f'one {count}'\n")
    assert [ask(make_request, tmp_path, "/page").text for _ in range(2)] == ["one 1", "one 2"]
    page.write_text("def index():\n    return 'two'\n")
    assert ask(make_request, tmp_path, "/page").text == "two"
    page.write_text("def index():\n    return 'three'\n")
    assert ask(make_request, tmp_path, "/page", config={"PythonAutoReload": "0"}).text == "two"
    req = ask(make_request, tmp_path, "/page", config={"PythonDebug": "1"})
    assert req.text == "three"
    assert [(message.split(" page ")[0], level) for message, level in req.logged] == [("Publisher reloading", 5)]


def test_broken_modules_are_tried_again(make_request: Make, tmp_path: Path) -> None:
    page = tmp_path / "page.py"
    write(page, "def index(:\n")
    for _ in range(2):
        with pytest.raises(SyntaxError):
            ask(make_request, tmp_path, "/page")
    page.write_text("raise ValueError('at import')\n")
    with pytest.raises(ValueError, match="at import"):
        ask(make_request, tmp_path, "/page")
    page.write_text("def index():\n    return 'repaired'\n")
    assert ask(make_request, tmp_path, "/page").text == "repaired"
    page.write_text("def index():\n    return nonsense(\n")
    with pytest.raises(SyntaxError):
        ask(make_request, tmp_path, "/page")


def test_classes_of_pages_can_be_pickled_and_annotated(make_request: Make, tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(
        "from __future__ import annotations\n"
        "import dataclasses, pickle\n"
        "@dataclasses.dataclass\n"
        "class Point:\n"
        "    x: int\n"
        "def index():\n"
        "    return pickle.loads(pickle.dumps(Point(5)))\n"
    )
    before = set(sys.modules)
    assert ask(make_request, tmp_path, "/page").text == "Point(x=5)"
    assert len(set(sys.modules) - before - {"dataclasses", "pickle"}) >= 1


def test_a_directory_named_like_a_page_is_none(make_request: Make, outcome: Outcome, tmp_path: Path) -> None:
    (tmp_path / "page.py").mkdir()
    assert outcome(publisher.handler, make_request("/page", tmp_path)) == (404,)
