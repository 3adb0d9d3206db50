import os

from klaus import make_app

application = make_app(
    [os.path.join(os.environ["DATA"], "one.git")], "the site", use_smarthttp=True, unauthenticated_push=True
)
