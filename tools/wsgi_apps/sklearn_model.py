import json

from sklearn.linear_model import LinearRegression

model = LinearRegression().fit([[1], [2], [3]], [2, 4, 6])


def application(environ, start_response):
    numbers = json.loads(environ["wsgi.input"].read() or b"[[4]]")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([round(float(one), 6) for one in model.predict(numbers)]).encode()]
