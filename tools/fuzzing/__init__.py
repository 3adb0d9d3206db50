"""Feeds what reads bytes of others with bytes that nobody meant; ``tools/fuzz`` runs it."""
