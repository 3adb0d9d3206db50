"""Which requests are let in unasked when they take another one's place (httpd's ``ap_process_request_internal``).

An ErrorDocument and the index of a directory are requests in the place of another one. httpd leaves out their access,
authentication and authorisation phases if they have the very configuration of the request before: then access was
decided already, or the document is for the one who was refused. httpd compares configurations by identity, so they are
the same only as long as nothing was merged anew: both files are in one directory, no Location section matches either
URI, and, unless it is the same file, no Files section matches either name. Everywhere else all phases run, with the
new URI.
"""

from __future__ import annotations

from mpserver.config.entries import FILES
from mpserver.config.sections import for_files
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.server import Server
    from mpserver.phases.translate import Resource


def admits(server: Server, before: Resource, resource: Resource) -> bool:
    """Whether access to ``resource`` was decided already, by the phases of the request for ``before``."""
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
