"""The phases of a request: planning them, running them, and what happens between them."""
