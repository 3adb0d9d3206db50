"""What goes wrong while a certificate is asked for."""

from __future__ import annotations


class Failed(Exception):
    """It could not be had now; the text says why, and what to do."""
