import os

os.environ["RADICALE_CONFIG"] = os.path.join(os.environ["DATA"], "config")
from radicale import application  # noqa: E402,F401
