from flask import Flask, request
from flask_restx import Api, Resource

application = Flask(__name__)
api = Api(application, version="1", title="Things")


@api.route("/things")
class Things(Resource):
    def get(self):
        return [1, 2]

    def post(self):
        return {"got": request.get_json()}, 201, {"X-Made": "yes"}
