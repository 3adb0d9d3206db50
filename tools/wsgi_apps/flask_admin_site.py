from flask import Flask
from flask_admin import Admin

application = Flask(__name__)
application.secret_key = "only for this"
Admin(application, name="the admin")
