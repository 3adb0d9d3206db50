import os

from flask import Flask
from whitenoise import WhiteNoise

site = Flask(__name__)


@site.get("/")
def index():
    return "index"


application = WhiteNoise(site, root=os.environ["DATA"], prefix="/static/")
