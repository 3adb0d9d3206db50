"""What an interpreter finds ready in the process that it was forked from."""

from __future__ import annotations

from mpserver.application.output import PrintedOutput
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.loader import Loader


class Preloaded(NamedTuple):
    """What a zygote has loaded, and where the loaded code prints."""

    loader: Loader
    output: PrintedOutput
