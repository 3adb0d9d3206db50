import os

from mercurial.hgweb import hgweb

application = hgweb(os.path.join(os.environ["DATA"], "hgweb.config").encode())
