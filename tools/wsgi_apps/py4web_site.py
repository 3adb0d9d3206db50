import os

os.environ["PY4WEB_APPS_FOLDER"] = os.path.join(os.environ["DATA"], "apps")
from py4web.core import wsgi  # noqa: E402

application = wsgi(apps_folder=os.environ["PY4WEB_APPS_FOLDER"], watch="off", password_file=None, dashboard_mode="none")
