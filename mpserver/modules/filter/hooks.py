"""Which filters a response has by its type."""

from __future__ import annotations

from mpserver.api.output_filters import OutputFactory, OutputFilter, install
from mpserver.api.parts import Part
from mpserver.modules.core.errorpage import page
from mpserver.modules.filter import BY_TYPE
from mpserver.modules.hooks import Filters, Insertion, Planning
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def insert_filter(planning: Planning) -> Insertion | None:
    """AddOutputFilterByType."""
    by_type = tuple(planning.conf[BY_TYPE].items())
    if not by_type:
        return None

    def insert(req: Request, filters: Filters) -> None:
        for name, types in by_type:
            make = filters.output_factory(req, name)
            if make is not None:
                install(req, page).add(ByType(req, types, make))

    return Insertion(tuple(name for name, _ in by_type), insert)


def matches(content_type: str | None, types: tuple[str, ...]) -> bool:
    """Whether a response's type is among them; its parameters don't count."""
    return content_type is not None and content_type.partition(";")[0].strip() in types


class ByType(OutputFilter):
    """A filter for responses of some types (AddOutputFilterByType): what the response is shows at its first bytes."""

    def __init__(self, req: Request, types: tuple[str, ...], make: OutputFactory) -> None:
        super().__init__(req)
        self._types, self._make = types, make
        self._chosen: OutputFilter | None = None

    def take(self, parts: list[Part], mark: int) -> None:
        """See `OutputFilter.take`."""
        if self._chosen is None:
            self._chosen = self.next
            req = self.req
            # (as in httpd: pages of errors come through only where a variable says so)
            counts = req.mp_status == 200 or (req.mp_env is not None and "filter-errordocs" in req.mp_env)
            if counts and matches(req.mp_content_type, self._types):
                self._chosen = self._make(self.req)
                self._chosen.next = self.next
        self._chosen.take(parts, mark)

    def drop(self) -> None:
        """See `OutputFilter.drop`."""
        if self._chosen is not None and self._chosen is not self.next:
            self._chosen.drop()
