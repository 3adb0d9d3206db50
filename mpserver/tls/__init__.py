"""TLS by the standard library: the client's greeting, encrypted channels, contexts, certificates."""
