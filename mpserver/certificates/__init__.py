"""The process that gets the certificates of managed domains, and renews them.

It talks ACME (RFC 8555) by the package acme, puts what it gets into the store (`mpserver.modules.md.store`), and
serves nobody. No interpreter loads anything of it.
"""
