import os

import sqlalchemy as sa

engine = sa.create_engine(f"sqlite:///{os.environ['DATA']}/rows.db")
table = sa.Table("rows", sa.MetaData(), sa.Column("text", sa.String))
table.create(engine, checkfirst=True)


def application(environ, start_response):
    with engine.begin() as connection:
        if environ["REQUEST_METHOD"] == "POST":
            connection.execute(table.insert().values(text=environ["wsgi.input"].read().decode()))
        rows = [row.text for row in connection.execute(sa.select(table))]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(rows).encode()]
