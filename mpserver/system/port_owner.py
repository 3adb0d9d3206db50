"""Who listens at a port that is taken already; looked at where binding has failed, and never else."""

from __future__ import annotations

#: How the titles of a server's processes begin: they say more than a program's name.
_OURS = "mpserver: "


def told(port: int) -> str:
    """Which process listens at a TCP port of this machine, and what to do; for the end of a message."""
    import psutil

    try:
        found = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    except (psutil.Error, OSError):
        found = []
    pids = {one.pid for one in found if one.laddr and one.laddr.port == port and one.pid is not None}
    names = [name for pid in sorted(pids) for name in [_name(pid, pids)] if name]
    who = f"{names[0]} listens there" if names else "another program has it (root can see which)"
    return f": {who}. End that, or name another port"


def _name(pid: int, pids: set[int]) -> str:
    """A process in words; "" for one that has ended, or has the port of its parent, which is told then."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.ppid() in pids:
            return ""
        title = next(iter(process.cmdline()), "")
        name = title if title.startswith(_OURS) else process.name()
    except psutil.Error:
        return ""
    return f"{name} (pid {pid})"
