from flask import Flask
from flask_sock import Sock

application = Flask(__name__)
sock = Sock(application)


@application.get("/")
def index():
    return "index"


@sock.route("/echo")
def echo(ws):
    while True:
        data = ws.receive()
        if data == "end":
            return
        ws.send(data[::-1])
