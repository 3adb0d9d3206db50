import os

from roundup.cgi.wsgi_handler import RequestDispatcher

application = RequestDispatcher(os.path.join(os.environ["DATA"], "tracker"))
