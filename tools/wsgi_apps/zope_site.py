import os

from Zope2.Startup.run import make_wsgi_app

application = make_wsgi_app({}, os.path.join(os.environ["DATA"], "zope.conf"))
