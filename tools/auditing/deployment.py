"""What is shipped to run the server: units of systemd, and files that images are made of.

A unit of the machine has to take from the service what it does not need; a file for images has to name what it stands
on exactly, leave root, and bring no secrets.
"""

from __future__ import annotations

import re
from pathlib import Path

#: What the unit of the machine says, and the values that are as good; see systemd.exec(5). A unit of a user has that
#: user's rights, which are small.
HARDENING: dict[str, tuple[str, ...]] = {
    "NoNewPrivileges": ("true", "yes"),
    "PrivateTmp": ("true", "yes"),
    "PrivateDevices": ("true", "yes"),
    "ProtectSystem": ("full", "strict"),
    "ProtectHome": ("true", "yes", "read-only", "tmpfs"),
    "ProtectClock": ("true", "yes"),
    "ProtectControlGroups": ("true", "yes"),
    "ProtectHostname": ("true", "yes"),
    "ProtectKernelLogs": ("true", "yes"),
    "ProtectKernelModules": ("true", "yes"),
    "ProtectKernelTunables": ("true", "yes"),
    "RestrictNamespaces": ("true", "yes"),
    "RestrictRealtime": ("true", "yes"),
    "RestrictSUIDSGID": ("true", "yes"),
    "LockPersonality": ("true", "yes"),
}
#: The same of lists: what they may hold, for a reason that the unit tells.
LISTS: dict[str, frozenset[str]] = {
    "CapabilityBoundingSet": frozenset({"CAP_NET_BIND_SERVICE", "CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_CHOWN"}),
    "RestrictAddressFamilies": frozenset({"AF_UNIX", "AF_INET", "AF_INET6"}),
}
#: What is a secret by its name.
_SECRET = re.compile(r"(?i)(password|passwd|secret|token|private_?key|api_?key)")


def look(root: Path) -> list[str]:
    """What is wrong with what is shipped."""
    found = []
    units = [*root.glob("conf/*.service"), *root.glob("mpserver/cli/*.service.in")]
    for path in sorted(units):
        found += [f"{path.relative_to(root)}: {what}" for what in unit(path.read_text("utf-8"), "-user" in path.name)]
    images = [path for path in root.rglob("*ockerfile*") if path.is_file() and ".venv" not in str(path)]
    for path in sorted(images):
        found += [f"{path.relative_to(root)}: {what}" for what in image(path.read_text("utf-8"))]
    return found if units else ["there are no units: where have they gone?"]


def unit(text: str, of_user: bool = False) -> list[str]:
    """What is wrong with a unit."""
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            said.setdefault(name.strip(), []).append(value.strip())
    found = [f"{name} is said twice" for name in (*HARDENING, *LISTS) if len(said.get(name, ())) > 1]
    found += [
        f"{value.split('=')[0]} in Environment= can be read by everybody: use LoadCredential="
        for value in said.get("Environment", ()) if _SECRET.search(value.partition("=")[0])
    ]  # fmt: skip
    found += [f"a shell runs in {name}={value}" for name, value in _commands(said) if re.match(r"\S*sh -c", value)]
    if of_user:
        return found
    for name, good in HARDENING.items():
        value = said.get(name, [""])[-1]
        if value not in good:
            found.append(f"{name}={value or '(not said)'}, which should be {' or '.join(good)}")
    for name, allowed in LISTS.items():
        words = set(" ".join(said.get(name, [])).split())
        if not words or words - allowed:
            found.append(f"{name} should be there, with {' '.join(sorted(allowed))} at most")
    return found


def _commands(said: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, values in said.items() if name.startswith("Exec") for value in values]


def image(text: str) -> list[str]:
    """What is wrong with a file that an image is made of."""
    found = []
    user, stages = "", set()
    for line in re.sub(r"\\\n", " ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        word, rest = word.upper(), rest.strip()
        if word == "FROM":
            name, _, stage = rest.partition(" ")
            if name not in stages and "@sha256:" not in name and (":" not in name or name.endswith(":latest")):
                found.append(f"FROM {name} may be another one tomorrow: name its version, as in python:3.14-slim")
            stages.add(stage.rpartition(" ")[2])
            user = ""
        elif word == "USER":
            user = rest
        elif word == "ADD" and "://" in rest:
            found.append(f"ADD {rest}: nothing checks what comes")
        elif word in ("ENV", "ARG") and _SECRET.search(rest.partition("=")[0]):
            found.append(f"{word} {rest.partition('=')[0]} stays in the image: use RUN --mount=type=secret")
        elif word == "RUN" and re.search(r"(curl|wget)[^|;&]*\|\s*(ba|da)?sh\b", rest):
            found.append("RUN runs what it downloads")
    if user.partition(":")[0] in ("", "root", "0"):
        found.append("its programs run as root: say USER")
    return found
