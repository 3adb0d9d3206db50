import orjson
import pydantic


class Thing(pydantic.BaseModel):
    name: str
    number: int


def application(environ, start_response):
    try:
        thing = Thing.model_validate_json(environ["wsgi.input"].read() or b'{"name": "a", "number": "1"}')
    except pydantic.ValidationError as error:
        start_response("422 Unprocessable Content", [("Content-Type", "application/json")])
        return [error.json(include_url=False).encode()]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [orjson.dumps(thing.model_dump())]
