"""ViewVC as CGI, with the directives of its own manual, over a repository of CVS.

It is in no index of packages: the variable VIEWVC of the environment names the folder of an unpacked release (1.3 or
later; https://viewvc.org/).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conftest import StartServer

pytestmark = pytest.mark.apps

#: "The correct order" of its manual.
CONF = """
SetEnv VIEWVC_CONF_PATHNAME {conf}
Alias /viewvc/static {home}/templates/default/docroot
ScriptAlias /viewvc {home}/bin/cgi/viewvc.cgi
<Directory {home}>
    Require all granted
</Directory>
"""

SETTINGS = """
[general]
cvs_roots = sources: {sources}
root_as_url_component = 1
[options]
use_rcsparse = 1
allowed_views = annotate, co, diff, markup, roots
template_dir = {home}/templates/default
docroot = /viewvc/static
"""

#: A file of two revisions, as CVS keeps it: the newest whole, and what leads back.
HISTORY = """head\t1.2;
access;
symbols
\tfirst:1.1;
locks; strict;
comment\t@# @;


1.2
date\t2026.01.02.10.00.00;\tauthor zoe;\tstate Exp;
branches;
next\t1.1;

1.1
date\t2026.01.01.10.00.00;\tauthor joe;\tstate Exp;
branches;
next\t;


desc
@@


1.2
log
@it greets <everybody>
@
text
@print("hello, everybody")
print("bye")
@


1.1
log
@the first
@
text
@d1 1
a1 1
print("hello")
@
"""


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_viewvc(start_server: StartServer, tmp_path: Path, mpm: str) -> None:
    home = os.environ.get("VIEWVC")
    if home is None:
        pytest.skip("VIEWVC names no folder with ViewVC, which no index of packages has")
    sources, conf = tmp_path / "cvs", tmp_path / "viewvc.conf"
    (sources / "CVSROOT").mkdir(parents=True)
    (sources / "project").mkdir()
    (sources / "project" / "hello.py,v").write_text(HISTORY)
    conf.write_text(SETTINGS.format(sources=sources, home=home))
    server = start_server(CONF.format(conf=conf, home=home), mpm=mpm)

    roots = server.get("/viewvc/")
    assert (roots.status, 'href="/viewvc/sources/"' in roots.text) == (200, True), server.said()
    folder = server.get("/viewvc/sources/project/").text
    assert "hello.py" in folder
    assert "zoe" in folder
    log = server.get("/viewvc/sources/project/hello.py?view=log").text
    for told in ("it greets &lt;everybody&gt;", "the first", "joe"):
        assert told in log
    file = server.get("/viewvc/sources/project/hello.py?revision=1.1&view=co")
    assert (file.status, file.text) == (200, 'print("hello")\nprint("bye")\n')
    assert "text/x-python" in str(file.header("Content-Type"))
    newest = server.get("/viewvc/sources/project/hello.py?view=co")
    assert newest.text == 'print("hello, everybody")\nprint("bye")\n'
    blame = server.get("/viewvc/sources/project/hello.py?view=annotate").text
    assert "joe" in blame
    assert "zoe" in blame
    packed = server.get("/viewvc/sources/project/", {"Accept-Encoding": "gzip"})
    assert packed.status == 200
    assert server.get("/viewvc/sources/project/none.py").status == 404
    moved = server.get("/viewvc/sources/project")
    assert (moved.status, moved.header("Location")) == (301, "/viewvc/sources/project/")
    style = server.get("/viewvc/static/styles.css")
    assert (style.status, style.header("Content-Type")) == (200, "text/css")
