"""Tests of the HTTP/1.1 floor: bytes in, bytes out."""
