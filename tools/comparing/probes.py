"""What a handler sees and gets: each member and method, asked for by code that the request brings along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from comparing.cases import Case, case


class Asked(NamedTuple):
    """Several probes of one request."""

    group: str
    path: str
    options: dict[str, Any]
    probes: tuple[str, ...]


MEMBERS = tuple(
    f"req.{name}"
    for name in (
        "the_request assbackwards proxyreq header_only protocol proto_num hostname status_line status method "
        "method_number allowed allowed_xmethods allowed_methods sent_bodyct bytes_sent mtime chunked range clength "
        "remaining read_length read_body read_chunked expecting_100 phase interpreter content_type "
        "_content_type_set content_encoding content_languages handler vlist_validator user ap_auth_type no_cache "
        "no_local_copy unparsed_uri uri filename canonical_filename path_info args finfo parsed_uri used_path_info "
        "eos_sent useragent_ip extension _bytes_queued next prev main nosuch subprocess_env notes headers_out "
        "err_headers_out"
    ).split()
)

WRITES = tuple(
    f"req.{name} = {value}\nr = req.{name}"
    for name, values in {
        "status": ("404", "'x'", "None", "True", "200.0"),
        "status_line": ("'200 Fine'", "None", "5"),
        "assbackwards": ("0", "'x'"),
        "proxyreq": ("1",),
        "chunked": ("1",),
        "content_type": ("'text/x'", "None", "b'text/y'", "5"),
        "handler": ("'x'", "None", "5"),
        "user": ("'j\\xf6e'", "None", "b'joe'", "5"),
        "ap_auth_type": ("'Basic'", "None"),
        "no_cache": ("1", "'x'"),
        "no_local_copy": ("1",),
        "uri": ("'/x'", "None", "b'/x'"),
        "filename": ("'/etc/passwd'", "None"),
        "canonical_filename": ("'/x'", "None"),
        "path_info": ("'/x'", "None"),
        "args": ("'x=1'", "None"),
        "used_path_info": ("1", "'x'"),
        "finfo": ("5", "apache.stat(req.filename, apache.APR_FINFO_MIN)"),
        "anything": ("[1]",),
        "method": ("'X'",),
        "hostname": ("'x'",),
        "headers_out": ("{}",),
        "phase": ("'x'",),
        "bytes_sent": ("1",),
        "mtime": ("1.0",),
        "server": ("1",),
        "connection": ("1",),
        "hlist": ("1",),
        "next": ("1",),
        "unparsed_uri": ("'x'",),
        "extension": ("'x'",),
        "interpreter": ("'x'",),
        "the_request": ("'x'",),
        "content_languages": ("()",),
        "allowed": ("1",),
    }.items()
    for value in values
)

DELETES = tuple(f"del req.{name}" for name in ("status", "content_type", "user", "anything"))

METHODS = (
    "req.document_root()", "sorted(req.get_config().items())", "req.get_options()", "req.auth_name()", "req.auth_type()",
    "req.get_addhandler_exts()", "req.get_basic_auth_pw()", "req.is_https()", "req.ssl_var_lookup('HTTPS')",
    "req.ssl_var_lookup(5)", "req.construct_url('/x')", "req.construct_url('x y')", "req.construct_url(b'/x')",
    "req.construct_url(None)", "req.discard_request_body()", "req.get_remote_host()",
    "req.get_remote_host(apache.REMOTE_HOST)", "req.get_remote_host(apache.REMOTE_NOLOOKUP)",
    "req.get_remote_host(apache.REMOTE_NAME, 1)", "req.get_remote_host(apache.REMOTE_NOLOOKUP, None)",
    "req.get_remote_host(apache.REMOTE_NOLOOKUP, 0)", "req.get_remote_host('x')",
    "req.meets_conditions()", "req.send_http_header()", "req.log_error('hello')", "req.log_error(None)",
    "req.log_error(5)", "req.log_error('x', apache.APLOG_NOTICE)", "req.log_error('x', 'y')", "req.log_error()",
    "req.register_cleanup(5)", "req.register_cleanup(print)", "req.register_cleanup()",
    "req.register_cleanup(lambda d: trace('cleaned ' + show(d)), 7)",
    "req.register_cleanup(lambda d: trace('cleaned ' + show(d)))",
    "r = [req.register_cleanup(lambda d: trace('cleaned ' + show(d)), n) for n in range(3)]",
    "req.register_cleanup(lambda: 1)",
    "req.requires()", "req.allow_methods(['PUT'])", "req.allow_methods('PUT')", "req.allow_methods([5])",
    "req.allow_methods(5)", "req.allow_methods([b'PUT'])",
    "req.allow_methods(['PUT', 'DELETE'])\nr = req.allowed, req.allowed_methods, req.allowed_xmethods",
    "req.allow_methods(['PUT', 'X-OWN'])\nr = req.allowed, req.allowed_methods, req.allowed_xmethods",
    "req.allow_methods(['PUT'])\nreq.allow_methods(['GET'], 1)\nr = req.allowed",
    "req.allow_methods(['PUT'])\nraise apache.SERVER_RETURN(405)",
    "req.allow_methods(['M1'])\nraise apache.SERVER_RETURN(405)",
    "raise apache.SERVER_RETURN(405)", "raise apache.SERVER_RETURN(501)",
    "req.update_mtime(1000)\nr = req.mtime", "req.update_mtime(1000.5)\nr = req.mtime", "req.update_mtime('x')",
    "req.update_mtime(1000)\nreq.update_mtime(500)\nr = req.mtime",
    "req.update_mtime(1000)\nreq.set_last_modified()\nr = req.headers_out['Last-Modified']",
    "req.update_mtime(4000000000)\nreq.set_last_modified()\nr = 1",
    "req.set_etag()\nr = req.headers_out.get('ETag')", "req.set_last_modified()\nr = req.headers_out.get('Last-Modified')",
    "req.update_mtime(req.finfo.mtime)\nreq.set_last_modified()\nreq.set_etag()\nr = req.headers_out",
    "req.set_content_length(5)\nr = req.headers_out.get('Content-Length')",
    "req.set_content_length('x')", "req.set_content_length(5)\nreq.write('12345')",
    "req.set_content_length(5)\nreq.write('12345', 0)", "req.set_content_length(3)\nreq.write('12345')",
    "req.set_content_length(9)\nreq.write('12345')", "req.set_content_length(-5)\nreq.write('12345')",
    "req.write('a')\nreq.write('b')", "req.write('a', 0)\nreq.write('b', 0)", "req.write('a', 0)\nreq.flush()",
    "req.write('')", "req.write('', 0)", "req.flush()", "req.write(b'bytes')", "req.write('\\u20ac')",
    "req.write(5)", "req.write(None)", "req.write(bytearray(b'x'))", "req.write(memoryview(b'x'))", "req.write()",
    "req.write('x', 'y')", "req.write('x', flush=0)", "req.write(string='x')",
    "req.write('x')\nr = req.bytes_sent, req.sent_bodyct, req._bytes_queued, req.chunked, req.clength, req.eos_sent",
    "req.write('x', 0)\nr = req.bytes_sent, req.sent_bodyct, req._bytes_queued, req.chunked, req.clength",
    "req.write('abc', 0)\nreq.flush()\nr = req.bytes_sent, req.sent_bodyct, req._bytes_queued, req.chunked",
    "req.write('x' * 20000, 0)\nr = req.sent_bodyct, req._bytes_queued",
    "req.sendfile(req.filename)", "req.sendfile(req.filename, 3)\nreq.flush()", "req.sendfile(req.filename, 3, 4)",
    "req.sendfile(req.filename, 0, 4)", "req.sendfile('/no/such')", "req.sendfile(5)", "req.sendfile(None)",
    "req.sendfile(req.filename, 'x')", "req.sendfile(req.document_root())", "req.sendfile(b'/etc/passwd')",
    "req.sendfile(req.filename, 0, 10000)", "req.sendfile(req.filename, 1000)",
    "req.sendfile(req.filename, 0, 0)", "r = req.sendfile(path=req.filename, offset=1, len=2)",
    "req.add_handler('PythonHandler', 'rules::b')", "req.add_handler('PythonLogHandler', 'rules::a')",
    "req.add_handler('PythonAccessHandler', 'rules::a')", "req.add_handler('NoHandler', 'x')",
    "req.add_handler('PythonCleanupHandler', 'rules::a')", "req.add_handler('PythonHandler', 5)",
    "req.add_handler('PythonHandler')", "req.add_handler('PythonHandler', 'rules::b', '/tmp')",
    "req.add_handler('PythonHandler', 'rules::c', 'sub')\nr = req.hlist.handler",
    "req.add_handler('PythonHandler', rules_missing)", "req.add_handler('PythonHandler', 'no_such_one')",
    "req.add_handler('PythonConnectionHandler', 'rules::b')", "req.add_handler(5, 'rules::b')",
    "r = req.hlist.handler, req.hlist.directory, req.hlist.is_location, req.hlist.silent",
    "req.hlist.next()\nr = req.hlist.handler, req.hlist.directory, req.hlist.is_location, req.hlist.silent",
    "r = req.hlist.next()", "req.hlist.nosuch", "req.hlist.handler = 'x'",
    "req.internal_redirect('/files/teapot.txt')", "req.internal_redirect('/eval/a.txt/more?x=1')",
    "req.internal_redirect('/nowhere')", "req.internal_redirect(5)", "req.internal_redirect('http://x.test/')",
    "req.internal_redirect('nowhere')",
    "req.status = 202\nreq.internal_redirect('/files/teapot.txt')",
    "req.headers_out['X-A'] = 'a'\nreq.err_headers_out['X-B'] = 'b'\nreq.internal_redirect('/files/teapot.txt')",
    "req.notes['n'] = 'v'\nreq.internal_redirect('/rules/x')",
    "req.write('before;')\nreq.internal_redirect('/files/teapot.txt')",
    "req.write('before;', 0)\nreq.internal_redirect('/files/teapot.txt')",
)  # fmt: skip

TYPES = (
    "r = req.server is req.server, req.connection is req.connection, req.headers_in is req.headers_in",
    "r = req.notes is req.notes, req.get_options() is req.get_options()",
    "req.get_options()['added'] = '1'\nr = req.get_options().get('added')",
    "req.get_config()['added'] = '1'\nr = req.get_config().get('added')",
    "req.a = 1\ndel req.a\nr = hasattr(req, 'a')",
    "type(req.request_time).__name__",
    "type(req.mtime).__name__",
    "type(req.server.timeout).__name__",
    "hash(req.headers_in)",
    "bool(req.headers_out)",
    "bool(req.headers_in)",
    "r = [n for n in ('add', 'clear', 'copy', 'get', 'has_key', 'items', 'iteritems', 'iterkeys', 'itervalues', 'keys', 'popitem', 'setdefault', 'update', 'values') if not callable(getattr(req.headers_in, n))]",
)

SERVER = tuple(
    f"req.server.{name}"
    for name in (
        "defn_name defn_line_number server_admin server_hostname port error_fname loglevel is_virtual timeout "
        "keep_alive_timeout keep_alive_max keep_alive path pathlen names wild_names limit_req_line "
        "limit_req_fieldsize limit_req_fields my_generation nosuch get_config().get('PythonPath') get_options() log_error('x') "
        "log_error(5) log_error('x',apache.APLOG_INFO) register_cleanup(req,5) register_cleanup(5,print)"
    ).split()
) + (
    "req.server.port = 1", "req.server.own = 1\nr = req.server.own", "type(req.server.restart_time).__name__",
    "r = req.server.next is None, req.server.next is not None and req.server.next.server_hostname",
    "s, r = apache.main_server, []\nwhile s:\n    r.append((s.server_hostname, s.port, s.is_virtual, s.names, s.wild_names, s.path))\n    s = s.next",
    "apache.main_server.server_hostname", "apache.main_server.get_options()", "apache.main_server.get_config()",
    "r = apache.main_server.is_virtual, apache.main_server.defn_name, apache.main_server.defn_line_number",
    "r = apache.main_server.error_fname, apache.main_server.timeout, apache.main_server.loglevel",
)  # fmt: skip

CONNECTION = tuple(
    f"req.connection.{name}"
    for name in (
        "client_ip local_ip remote_ip remote_host remote_logname local_host aborted keepalive double_reverse "
        "keepalives nosuch log_error('x') log_error(5) notes"
    ).split()
) + (
    "req.connection.base_server.server_hostname", "req.connection.own = 1", "req.connection.aborted = 1",
    "req.connection.keepalive = 1\nr = req.connection.keepalive", "req.connection.keepalive = 'x'",
    "r = req.connection.client_addr[0], type(req.connection.client_addr[1]).__name__",
    "r = req.connection.local_addr == req.connection.local_addr, req.connection.remote_addr[0]",
    "req.connection.notes['a'] = 'b'\nr = req.connection.notes",
    "type(req.connection.id).__name__", "req.connection.local_addr[1] == req.connection.base_server.port",
)  # fmt: skip

TABLE = tuple(
    "t = apache.table()\n" + code
    for code in (
        "t['A'] = '1'\nr = t['a'], t['A'], 'a' in t, 'b' in t, len(t), t.has_key('a'), t.has_key('b')",
        "r = t['missing']", "t['a'] = 5", "t[5] = 'a'", "t['a'] = None", "t[b'a'] = b'b'\nr = t",
        "t['a'] = '\\u20ac'", "t['a'] = 'x'\nt['A'] = 'y'\nr = t", "t.add('a', '1')\nt.add('A', '2')\nr = t['a'], t",
        "t.add('a', '1')\nt.add('a', '2')\nt['a'] = '3'\nr = t", "t.add('a', 5)", "t.add('a')", "t.add('a', None)",
        "del t['missing']\nr = 1", "t.add('a', '1')\nt.add('a', '2')\ndel t['A']\nr = t",
        "t.add('a', '1')\nt.add('a', '2')\nr = t.get('a'), t.get('b'), t.get('b', 5), t.get('a', 7)",
        "t.add('b', '1')\nt.add('a', '2')\nt.add('b', '3')\nr = t.keys(), t.values(), t.items(), list(t)",
        "t.add('b', '1')\nr = list(t.iterkeys()), list(t.itervalues()), list(t.iteritems())",
        "t.add('a', '1')\nt.add('a', '2')\nt.add('b', '3')\nr = t.copy(), len(t.copy())",
        "t.update({'a': 1, 'b': '2'})\nr = t", "t.update([('a', '1')])\nr = t", "t.update(5)", "t.update({5: 6})\nr = t",
        "t.update([('a',)])", "t.update('xyz')", "r = apache.table({'a': 1})", "r = apache.table([('a', '1'), ('a', '2')])",
        "r = apache.table(5)", "r = apache.table('x')", "r = apache.table(apache.table({'a': '1'}))", "r = apache.table(None)",
        "r = apache.table({}, 5)", "r = apache.table(a=1)",
        "t['a'] = '1'\nt.clear()\nr = t, len(t)", "t['a'] = '1'\nr = t == {'a': '1'}, t == {'A': '1'}, t != {'a': '1'}",
        "t['a'] = '1'\nr = t == apache.table({'A': '1'}), t == 5, t == None", "r = t < apache.table()",
        "t['a'] = '1'\nr = repr(t), str(t)", "t.add('a', '1')\nt.add('a', '2')\nr = repr(t)", "r = repr(t), bool(t)",
        "t['a'] = '1'\nr = t.popitem(), t", "r = t.popitem()", "t['a'] = '1'\nr = t.setdefault('a', 'x'), t",
        "r = t.setdefault('a', 5)", "t['a'] = '1'\nr = t.setdefault('a')",
        "t['a'] = '1'\nfor k in t:\n    t.add('b', '2')\nr = t", "t['a'] = '1'\nfor k in t:\n    t['a'] = '2'\nr = t",
        "t['a'] = '1'\nt.add('b', '2')\nfor k in t:\n    del t['a']\nr = t",
        "r = t.get(5)", "r = t.get()", "r = 5 in t", "r = None in t", "r = t[5]", "del t[5]", "r = t.has_key(5)", "r = hash(t)",
        "r = t.pop('a')", "r = t.fromkeys(['a'])", "t['a'] = ''\nr = t['a'], len(t)", "t[''] = 'x'\nr = t",
        "t['a'] = 'x\\r\\ny'\nr = t['a']", "t['a'] = 'x\\0y'\nr = t['a']",
        "t['a'] = '\\xe9'\nr = len(t)", "r = apache.make_table({'a': 'b'})", "import copy\nr = copy.copy(t)", "t.nosuch",
        "t.own = 1",
        "class S(str): pass\nt['a'] = S('x')\nr = t",
        "class M(type(t)): pass\nm = M()\nm['a'] = 'b'\nr = m, m['A'], type(m.copy()) is M",
        "t['a'] = 'b'\nr = dict(t)", "t['a'] = 'b'\nr = list(reversed(t.keys()))", "r = iter(t) is not None",
        "t['A-b'] = 'b'\nr = t.keys(), t['a-B']", "t['a'] = 'b'\nr = {**t}", "r = apache.table is type(t)",
    )
)  # fmt: skip

HEADERS = (
    "req.headers_in.get('X-One')", "req.headers_in['x-TWO']", "req.headers_in.get('host')", "req.headers_in['missing']",
    "r = [n for n in req.headers_in.keys() if n.lower().startswith('x-t')]",
    "r = [i for i in req.headers_in.items() if i[0].lower().startswith('x-t')]",
    "req.headers_in['x-new'] = 'a'\nr = req.headers_in['X-New']", "del req.headers_in['x-one']\nr = 'x-one' in req.headers_in",
    "req.headers_out['X-A'] = 'v\\xe9'", "req.headers_out['X-A'] = 'a'\nreq.headers_out.add('X-A', 'b')",
    "req.headers_out['Content-Type'] = 'text/own'", "req.headers_out['content-length'] = '3'\nreq.write('abc')",
    "req.headers_out['Connection'] = 'close'", "req.headers_out['Transfer-Encoding'] = 'x'", "req.headers_out['Server'] = 'mine'",
    "req.headers_out['Date'] = 'mine'", "req.headers_out['Set-Cookie'] = 'a=b'\nreq.err_headers_out['Set-Cookie'] = 'c=d'",
    "req.headers_out['Location'] = '/there'\nreq.status = 302", "req.headers_out['Location'] = '/there'\nresult = 302",
    "req.headers_out['Location'] = '/there'\nresult = 301\nreq.err_headers_out['X-E'] = 'e'\nreq.headers_out['X-H'] = 'h'",
    "req.headers_out['Location'] = 'http://x.test/there'\nresult = 307", "result = 302", "result = 303",
    "req.headers_out['X-H'] = 'h'\nreq.err_headers_out['X-E'] = 'e'\nresult = 404",
    "req.headers_out['X-H'] = 'h'\nreq.err_headers_out['X-E'] = 'e'\nraise apache.SERVER_RETURN(403)",
    "req.headers_out['Content-Type'] = 'text/own'\nreq.content_type = 'text/mine'",
    "req.content_type = 'text/html; charset=utf-8'", "req.content_type = ''", "req.content_type = None\nreq.write('x')",
    "req.headers_out['Last-Modified'] = 'x'", "req.headers_out['Vary'] = 'a'\nreq.err_headers_out['Vary'] = 'b'",
    "req.headers_out['Allow'] = 'X'\nresult = 405", "req.headers_out['Content-Encoding'] = 'x'", "req.no_cache = 1",
    "req.headers_out['WWW-Authenticate'] = 'Own'\nresult = 401", "req.err_headers_out['WWW-Authenticate'] = 'Own'\nresult = 401",
    "req.headers_out['Retry-After'] = '3'\nresult = 503", "req.headers_out['ETag'] = '\"x\"'\nr = req.meets_conditions()",
    "req.headers_out['X-Empty'] = ''", "req.status_line = '200 Super'\nr = 1", "req.status = 404\nreq.status_line = '404 Lost'\nr = 1",
    "req.status = 404\nreq.status_line = '500 Lost'\nr = 1", "req.status = 404\nr = 1", "req.status = 404", "req.status = 204",
    "req.status = 204\nreq.write('x')", "req.status = 304\nr = 1", "req.status = 299\nr = 1", "req.status = 999\nr = 1",
    "req.status = 599\nr = 1", "req.status = 1000\nr = 1", "req.status = 0\nr = 1", "req.status = 404\nresult = 403",
    "req.status = 99\nr = 1", "req.status = 600\nr = 1",
    "req.status = 205\nr = 1", "req.status = 206\nr = 1", "req.status = 101\nr = 1", "req.status = 100\nr = 1", "result = 200",
    "result = 206", "result = 204", "result = 304", "result = 299", "result = 100", "result = 418", "result = 451", "result = 600",
    "result = 1", "result = -3", "result = 10**12", "result = 400", "result = 401", "result = 402", "result = 406", "result = 407", "result = 408",
    "result = 409", "result = 410", "result = 411", "result = 412", "result = 413", "result = 414", "result = 415", "result = 416", "result = 417",
    "result = 422", "result = 423", "result = 424", "result = 426", "result = 428", "result = 429", "result = 431",
    "result = 500", "result = 501", "result = 502", "result = 503", "result = 504", "result = 505", "result = 506",
    "result = 507", "result = 510", "result = 511",
    "result = apache.DONE\nr = 1", "result = apache.DECLINED\nr = 1", "result = apache.DECLINED", "result = apache.DONE",
    "req.write('x')\nresult = 404", "req.write('x', 0)\nresult = 404", "req.write('x')\nresult = apache.DECLINED",
    "req.write('x')\nraise ValueError('y')\npass_on = 1", "pass_on = 1\nraise ValueError('y')", "pass_on = 1\nraise SystemExit",
    "raise SystemExit(3)", "raise KeyboardInterrupt", "raise GeneratorExit", "import sys\nsys.exit('x')",
    "req.assbackwards = 1\nr = 1",
)  # fmt: skip

APACHE = (
    "apache.interpreter", "apache.server_root()", "apache.exists_config_define('ROOT')", "apache.exists_config_define('X')",
    "apache.exists_config_define(5)", "apache.mpm_query(apache.AP_MPMQ_IS_FORKED)", "apache.mpm_query(apache.AP_MPMQ_IS_THREADED)",
    "apache.mpm_query(apache.AP_MPMQ_MAX_THREADS)", "apache.mpm_query(99)", "apache.mpm_query('x')",
    "apache.log_error('x')", "apache.log_error('x', apache.APLOG_INFO)", "apache.log_error('x', apache.APLOG_INFO, req.server)",
    "apache.log_error(5)", "apache.log_error('x', 'y')", "apache.log_error('x', 3, 5)",
    "apache.stat(req.filename, apache.APR_FINFO_SIZE)", "apache.stat(req.filename, apache.APR_FINFO_NORM)",
    "apache.stat('/no/such', apache.APR_FINFO_SIZE)", "apache.stat('/etc/passwd/x', apache.APR_FINFO_SIZE)",
    "apache.stat(5, 1)", "apache.stat(req.filename)", "apache.stat(req.document_root(), apache.APR_FINFO_TYPE).filetype",
    "r = req.finfo[apache.FINFO_SIZE], req.finfo[0] == req.finfo.protection, req.finfo[8] == req.finfo.mtime",
    "req.finfo[12]", "req.finfo[13]", "req.finfo[-1]", "req.finfo['x']", "len(req.finfo)", "req.finfo.nosuch", "req.finfo.size = 1",
    "apache.import_module('rules').__name__", "apache.import_module('nosuchmodule')", "apache.import_module('broken')",
    "apache.import_module('os.path').__name__", "apache.import_module('rules', 0, 1).__name__",
    "apache.register_cleanup(5)", "apache.register_cleanup(print, 5)",
    "apache.resolve_object(apache.import_module('rules'), 'a', req) is not None",
    "apache.resolve_object(apache.import_module('rules'), 'missing', req)",
    "apache.build_cgi_env(req)['REQUEST_METHOD']", "type(apache.config_tree()).__name__", "r = [e for e in apache.config_tree() if e[0] in ('Timeout', 'ErrorLog', 'PythonOption', '<Directory')]",
    "t = apache.config_tree()\nr = t[[e[0] for e in t].index('<Directory') + 1]", "len(apache.config_tree()[-1])",
    "apache.SERVER_RETURN.__mro__[1].__name__",
    "apache.REQ_EXIT", "apache.allow_methods", "apache.PROG_TRACEBACK",
    *(f"r = {{n: getattr(apache, n) for n in dir(apache) if n.startswith('{start}') and n != 'REQUEST_PHASES'}}" for start in (
        "APLOG", "APR_", "AP_CONN", "AP_MPMQ", "AP_REQ", "DECLINED", "DONE", "FINFO_", "HTTP_", "M_", "OK", "PROXYREQ", "REMOTE",
        "REQUEST_", "REQ_", "URI_", "INCLUDES", "CGI_MAGIC", "DIR_MAGIC", "MODULE_MAGIC_NUMBER_MAJOR",
    )),
)  # fmt: skip

ENV = (
    "req.add_common_vars()\nr = sorted(req.subprocess_env.items())",
    "req.add_cgi_vars()\nr = sorted(req.subprocess_env.items())",
    "req.add_cgi_vars()\nr = req.subprocess_env.keys() == sorted(req.subprocess_env.keys())",
    "r = sorted(apache.build_cgi_env(req))",
    "req.user = 'joe'\nreq.ap_auth_type = 'Own'\nreq.add_cgi_vars()\nr = [req.subprocess_env.get(n) for n in ('REMOTE_USER', 'AUTH_TYPE')]",
    "req.subprocess_env['X'] = 'y'\nreq.add_common_vars()\nr = req.subprocess_env['X']",
)

BODIES = (
    "req.read()", "req.read(3)", "req.read(0)", "req.read(-5)", "req.read('x')", "req.read(None)", "req.read(100)",
    "r = [req.read(4), req.read(4), req.read(), req.read(), req.read(1)]", "req.readline()", "req.readline(2)",
    "r = [req.readline() for n in range(6)]", "r = [req.readline(3) for n in range(4)]", "req.readlines()",
    "req.readlines(1)", "req.readlines(7)", "req.readlines(0)", "r = [req.read(2), req.readline(), req.read(3), req.readlines()]",
    "req.read(2)\nr = req.remaining, req.read_length, req.read_body, req.read_chunked, req.clength",
    "req.read()\nr = req.remaining, req.read_length, req.read_body, req.read_chunked",
    "req.readline()\nr = req.remaining, req.read_length, req.read_body",
    "r = req.remaining, req.read_length, req.read_body, req.read_chunked",
    "req.discard_request_body()", "req.discard_request_body()\nr = req.read()", "r = req.read(3), req.discard_request_body(), req.read()",
    "r = req.readline(0)", "req.readline('x')", "r = util.FieldStorage(req).keys()",
)  # fmt: skip

BODY = b"first line\nsecond\n\nlast without end"


def asked() -> Iterator[Asked]:
    """All probes with the requests that they ride on."""
    plain = "/eval/a.txt"
    yield Asked("request members", plain, {}, MEMBERS)
    detailed: dict[str, Any] = {"method": "POST", "body": b"a=1", "headers": ("Range: bytes=0-3", "X-Y: z")}
    yield Asked("request members, POST", "/eval/a.txt/in/fo?x=1&y=%20#f", detailed, MEMBERS)
    yield Asked("request members, Location", "/where/is%20it?q", {}, MEMBERS)
    yield Asked(
        "request members, a directory",
        "/eval/",
        {},
        ("req.filename", "req.path_info", "req.finfo.filetype", "req.uri", "req.content_type"),
    )
    yield Asked(
        "request members, missing",
        "/eval/nothing/here",
        {},
        ("req.filename", "req.path_info", "req.finfo", "req.canonical_filename"),
    )
    yield Asked(
        "request members, .htaccess",
        "/ht/x",
        {},
        ("req.get_options()", "req.hlist.directory", "req.filename"),
    )
    yield Asked(
        "request members, deeper",
        "/eval/deeper/x",
        {},
        (
            "sorted(req.get_config().items())",
            "req.get_options()",
            "req.hlist.directory",
            "req.content_type",
            "1/0",
        ),
    )
    yield Asked(
        "request members, HTTP/1.0",
        plain,
        {"version": "1.0", "host": ""},
        (
            "req.hostname",
            "req.protocol",
            "req.proto_num",
            "req.the_request",
            "req.server.server_hostname",
            "req.construct_url('/x')",
            "req.write('x')",
            "req.write('x', 0)",
            "req.connection.keepalive",
            "req.chunked",
        ),
    )
    yield Asked(
        "request members, absolute",
        "http://user:pw@Plain.Test:81/eval/a.txt?z#y",
        {},
        (
            "req.parsed_uri",
            "req.uri",
            "req.unparsed_uri",
            "req.hostname",
            "req.the_request",
            "req.headers_in['host']",
            "req.construct_url('/x')",
            "req.args",
        ),
    )
    yield Asked(
        "request members, Host with port",
        plain,
        {"host": "PLAIN.test:8080"},
        ("req.hostname", "req.construct_url('/x')", "req.server.server_hostname"),
    )
    yield Asked(
        "request members, dots",
        "/eval/../eval/./a%2etxt//more/",
        {},
        ("req.uri", "req.unparsed_uri", "req.filename", "req.path_info"),
    )
    yield Asked(
        "request members, alias",
        "/eval/a.txt",
        {"host": "x.wild.test"},
        ("req.server.server_hostname", "req.hostname"),
    )
    yield Asked(
        "request members, odd method",
        plain,
        {"method": "BREW"},
        ("req.method", "req.method_number", "req.write('x')"),
    )
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"):
        yield Asked(
            f"request members, {method}",
            plain,
            {"method": method},
            ("r = req.method, req.method_number, req.header_only",),
        )
    yield Asked(
        "HEAD",
        plain,
        {"method": "HEAD"},
        (
            "req.write('x')",
            "req.write('x', 0)",
            "req.set_content_length(5)",
            "req.sendfile(req.filename)",
            "result = 404",
            "r = None",
            "trace(show((req.header_only, req.method_number)))",
            "req.write('x')\ntrace(show((req.bytes_sent, req.sent_bodyct)))",
        ),
    )
    yield Asked("setting request members", plain, {}, WRITES + DELETES)
    yield Asked("request methods", plain, {}, METHODS)
    yield Asked("types", plain, {}, TYPES)
    yield Asked(
        "matched",
        "/matched/12",
        {},
        ("r = req.hlist.directory, req.hlist.is_location, req.filename, req.uri",),
    )
    yield Asked("regex", "/regex1/in/x", {}, ("r = req.hlist.directory, req.hlist.is_location",))
    yield Asked("wildcard", "/wildcard/x", {}, ("r = req.hlist.directory, req.hlist.is_location",))
    yield Asked("server", plain, {}, SERVER)
    yield Asked(
        "server with its own settings",
        "/x/y",
        {"host": "other.test"},
        SERVER
        + (
            "req.interpreter",
            "sorted(req.get_config().items())",
            "req.get_options()",
            "req.construct_url('/x')",
            "req.uri",
            "req.filename",
            "req.path_info",
            "1/0",
            "req.add_cgi_vars()\nr = [req.subprocess_env.get(n) for n in ('SERVER_NAME', 'SERVER_PORT')]",
            "r = req.hlist.directory, req.hlist.is_location",
        ),
    )
    yield Asked("connection", plain, {}, CONNECTION)
    yield Asked("tables", plain, {}, TABLE)
    sent: dict[str, Any] = {"headers": ("X-One: 1", "X-Two: a", "x-two: b", "X-Three:  spaced  ", 'If-None-Match: "x"')}
    yield Asked("headers and statuses", plain, sent, HEADERS)
    yield Asked("apache", plain, {}, APACHE)
    sent = {
        "headers": (
            "X-One: 1",
            "X-Two: a",
            "x-two: b",
            "X_Under: c",
            "Proxy: d",
            "Cookie: e",
            "Content-Type: f/g",
        ),
        "auth": "joe:x",
    }
    yield Asked("CGI variables", "/eval/a.txt/in/fo?x=1", sent, ENV)
    yield Asked("CGI variables, Location", "/where/x", {}, ENV[:2])
    yield Asked("bodies", plain, {"method": "POST", "body": BODY}, BODIES)
    yield Asked("no body", plain, {}, BODIES)
    chunks = b"5\r\nfirst\r\n6;x=y\r\n line\n\r\n0\r\nX-Trail: t\r\n\r\n"
    yield Asked(
        "chunked bodies",
        plain,
        {"method": "POST", "body": chunks, "headers": ("Transfer-Encoding: chunked",)},
        BODIES[:8] + BODIES[17:22],
    )
    sent = {"method": "POST", "body": BODY[:10], "headers": ("Content-Length: 20",)}
    yield Asked("cut bodies", plain, sent, ("req.read()", "req.read(5)", "req.readline()"))
    credentials = (
        "req.get_basic_auth_pw()",
        "req.get_basic_auth_pw()\nr = req.user, req.ap_auth_type",
        "r = req.user, req.ap_auth_type, req.auth_type(), req.auth_name()",
        "req.requires()",
    )
    yield Asked("credentials", "/typed/x", {"auth": "j\xf6e:p:w"}, credentials)
    yield Asked("no credentials", "/typed/x", {}, credentials)
    for name, header in {
        "bad base64": "Basic ###",
        "no colon": "Basic am9l",
        "other": "Bearer x",
        "empty": "Basic",
        "lower": "basic am9lOng=",
    }.items():
        yield Asked(f"credentials, {name}", "/typed/x", {"headers": (f"Authorization: {header}",)}, credentials[:2])
    yield Asked("credentials without AuthType", plain, {"auth": "joe:x"}, credentials)
    yield Asked(
        "guarded",
        "/basic/x",
        {"auth": "joe:x"},
        credentials + ("req.add_cgi_vars()\nr = [req.subprocess_env.get(n) for n in ('REMOTE_USER', 'AUTH_TYPE')]",),
    )
    for path in "named/x main/x perdir/x perdir/ perdir perdir/sub/x perdirective/x perdirective/own/x perdirective/off/x both/x two/x x".split():
        yield Asked("interpreters", f"/interp/{path}", {}, ("r = req.interpreter, apache.interpreter, req.filename",))
    for path in ("/place/x", "/place/perdir/x", "/place"):
        yield Asked("interpreters", path, {}, ("r = req.interpreter, apache.interpreter",))
    conditions = (
        "req.update_mtime(1700000000)\nreq.set_last_modified()\nreq.set_etag()\nresult = req.meets_conditions()\nif not result: req.write('full')",
    )
    for header in (
        "If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT", "If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT", "If-Modified-Since: nonsense",
        "If-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT", "If-Unmodified-Since: Tue, 14 Nov 2023 22:13:20 GMT", "If-None-Match: *", 'If-None-Match: "x"',
        "If-Match: *", 'If-Match: "x"',
    ):  # fmt: skip
        yield Asked(f"conditions, {header}", plain, {"headers": (header,)}, conditions)
        yield Asked("conditions of a file", "/files/teapot.txt", {"headers": (header,)}, ("",))


def cases() -> Iterator[Case]:
    """One comparison for each probe."""
    for group, path, options, probes in asked():
        for probe in probes:
            yield case(
                group,
                f"{options.get('method', 'GET')} {path} {probe!r}" if probe else f"{path} {options}",
                path,
                code=probe,
                **options,
            )
