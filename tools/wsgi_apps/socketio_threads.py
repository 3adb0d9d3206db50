from flask import Flask
from flask_socketio import SocketIO, emit

application = Flask(__name__)
socketio = SocketIO(application, async_mode="threading")


@application.get("/")
def index():
    return "index"


@socketio.on("shout")
def shout(text):
    emit("heard", text.upper())
