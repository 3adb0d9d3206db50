"""HTTP/1.1 (RFC 9110, RFC 9112): bytes become heads and bodies, responses become bytes. No sockets here."""
