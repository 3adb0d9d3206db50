"""Facts about a certificate, as mod_md tells them."""

from __future__ import annotations

import hashlib
import json

from mpserver.http1.dates import http_date
from mpserver.tls import certificate


def of(path: str) -> str:
    """The facts about the certificate in a file, as JSON; there are none where it has not come yet."""
    try:
        with open(path, "rb") as file:
            der = certificate.ders(file.read())[0]
        read = certificate.read(der)
    except (OSError, IndexError, ValueError):
        return "{}\n"
    told = {
        "valid-from": http_date(read.begins),
        "valid-until": http_date(read.ends),
        "serial": read.serial,
        "sha256-fingerprint": hashlib.sha256(der).hexdigest(),
    }
    return json.dumps(told, indent=2) + "\n"
