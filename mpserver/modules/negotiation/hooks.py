"""What is not there by its name may be there in several forms, and a type map lists them."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.modules.core.options import Option, effective
from mpserver.modules.hooks import Planning, Step
from mpserver.modules.known import Order
from mpserver.modules.negotiation import HANDLER

#: (what is chosen has its own type)
ORDER = {"type_checker": Order.FIRST}


def type_checker(planning: Planning) -> Step | None:
    """MultiViews."""
    if not effective(planning.conf) & Option.MULTI_VIEWS:
        return None
    from mpserver.modules.negotiation import negotiating  # (few configurations have them)

    return negotiating.multi_views(planning)


def handlers(planning: Planning) -> Mapping[str, Step]:
    """The one for type maps."""
    from mpserver.modules.negotiation import negotiating  # (as above)

    return {HANDLER: negotiating.type_map(planning)}
