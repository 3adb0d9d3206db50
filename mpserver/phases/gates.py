"""When a request that takes another one's place counts as admitted (httpd's ``ap_process_request_internal``).

httpd leaves the access, authentication and authorisation phases out for an ErrorDocument and for the index of a
directory where these have the very configuration of the request before: then they were decided already, or the
document is for the one who was refused. It has that configuration by identity, and that is the same only as long as
nothing was merged anew: in the same directory, and without sections for URIs (Location), or for names (Files) other
than this one's. Everywhere else all phases run, with the new URI.
"""

from __future__ import annotations

from mpserver.config.entries import FILES
from mpserver.config.sections import for_files
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.server import Server
    from mpserver.phases.translate import Resource


def admits(server: Server, before: Resource, resource: Resource) -> bool:
    """Whether the gates that the request for ``before`` has met are those of ``resource``, too."""
    if before.conf is not resource.conf or before.filename is None or resource.filename is None:
        return False
    if resource.finfo is None:
        return False  # what is not there is walked for anew, by its own name
    if before.filename != resource.filename:
        old, _, old_name = before.filename.rpartition("/")
        new, _, new_name = resource.filename.rpartition("/")
        files = resource.conf[FILES]
        if old != new or for_files(files, old_name) or for_files(files, new_name):
            return False
    locations = server.sections.for_location
    return not locations(before.uri) and not locations(resource.uri)
