"""A stand-in for the service that knows the members: python service.py PORT"""

import base64
import http.server
import sys

PASSWORDS = {"spam": "eggs"}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers 200 to those who are known, and 401 to others."""

    def do_GET(self):
        kind, _, encoded = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(encoded).decode().partition(":") if kind == "Basic" else ("", "", "")
        known = user in PASSWORDS and PASSWORDS[user] == password
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
