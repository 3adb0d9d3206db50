from psycopg import conninfo, sql


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [sql.Identifier("it").as_string(None).encode(), conninfo.make_conninfo(dbname="x y").encode()]
