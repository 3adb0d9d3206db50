"""Text becomes configuration: reading, checking, merging. No sockets here."""
