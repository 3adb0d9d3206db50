"""Bytes of requests with what RFC 9110 and 9112 let a server make of them; ``tools/raw-http`` asks any server."""
