import os
import sys

sys.path.insert(0, os.environ["DATA"])
os.environ["DJANGO_SETTINGS_MODULE"] = "cms.settings.production"
from cms.wsgi import application  # noqa: E402, F401
