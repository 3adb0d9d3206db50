"""Memory files that nobody can change any more."""

from __future__ import annotations


def seal(fd: int) -> None:
    """Let nobody write to a memory file from now on, whoever has it (``memfd_create``, MFD_ALLOW_SEALING).

    :raises OSError: it can't be sealed.
    """
    import fcntl  # (readers do without)

    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
