import os

import pypiserver

application = pypiserver.app(
    roots=[os.environ["DATA"]], password_file=".", authenticate=[], disable_fallback=True, overwrite=True
)
