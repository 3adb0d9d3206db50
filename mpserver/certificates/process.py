"""The life of the process: it looks at its domains, some at a time, and sleeps until one is due."""

from __future__ import annotations

import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from mpserver.api.error_log import CRIT, ErrorLog
from mpserver.certificates import challenges
from mpserver.certificates.jobs import Job, Tell
from mpserver.modules.md.domains import Domains
from mpserver.modules.md.store import Store

#: So many are asked for at a time: most of it is waiting.
AT_A_TIME = 4
#: After a fault of ours a domain is left alone for so many seconds.
AFTER_FAULT = 3600.0
#: The longest sleep, in seconds: the clock may be set.
LONGEST_SLEEP = 300.0


def run(domains: Domains, error_log: ErrorLog, fresh: bool, tell: Tell) -> None:
    """Get certificates, and renew them, for as long as the process lives; whoever forked it ends it.

    :param fresh: see `mpserver.certificates.jobs.Job`; ``tell`` as well.
    """

    def log(level: int, text: str) -> None:
        error_log.log(level, text, module="md")

    shared = domains.shared
    store = Store(shared.store)
    challenges.forget(store)
    urls = {url for domain in domains.domains for url in domain.authorities}
    locks = {url: threading.Lock() for url in urls}
    jobs = [Job(domain, shared, store, locks, log, tell, fresh=fresh) for domain in domains.domains]

    def look(job: Job) -> None:
        try:
            job.look()
        except Exception:  # (one domain's trouble must not keep the others from their certificates)
            log(CRIT, "a certificate could not be looked at:\n" + traceback.format_exc())
            job.due = time.time() + AFTER_FAULT

    pool = ThreadPoolExecutor(AT_A_TIME)
    while True:
        now = time.time()
        list(pool.map(look, [job for job in jobs if job.due <= now]))
        time.sleep(min(max(min(job.due for job in jobs) - time.time(), 0.0), LONGEST_SLEEP))
