"""An application that is replaced while it serves: PythonInterpReload looks at the files of its modules.

One of these is ``release`` in the folder DEMO_DATA, and the button of /side.html touches that (``recycle.py``).
"""

import json
import os
import time

import release  # noqa: F401 - it is here to be touched

from mod_python import apache

started = time.time()
served = 0


def handler(req):
    global served
    served += 1
    req.content_type = "application/json"
    req.write(json.dumps({"started": started, "served": served, "process": os.getpid()}))
    return apache.OK
