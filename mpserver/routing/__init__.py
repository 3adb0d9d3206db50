"""A worker's main thread: it accepts, reads the first head, and chooses the interpreter."""
