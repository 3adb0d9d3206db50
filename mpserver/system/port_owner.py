"""Who listens at a port that is taken already; looked at where binding has failed, and never else."""

from __future__ import annotations

from mpserver.system.titles import parts, title

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
        name = title(process.cmdline())
        while name.startswith(_OURS):  # (whoever has the port is a part of a server, which its master can end)
            above = process.parent()
            its_name = "" if above is None else title(above.cmdline())
            if above is None or not its_name.startswith(_OURS):
                return _server(name, process.pid)
            process, name = above, its_name
        return f"{process.name()} (pid {pid})"
    except psutil.Error:
        return ""


def _server(name: str, pid: int) -> str:
    """A server of ours by the title of its uppermost process, which has the configuration in brackets."""
    start, configuration = parts(name)
    return f"{start} (pid {pid}){f' with the configuration {configuration}' if configuration else ''}"
