"""What a request's plan offers to the request object (``mpserver.phases.plan`` makes plans)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mpserver.api.kept_body import Room
from mpserver.http1.ranges import Limits
from mpserver.typing import Any, NamedTuple, Protocol


class ScriptPlan(NamedTuple):
    """How the scripts of a plan are served (`mpserver.modules.wsgi`).

    ``callable``: the name of the application in them. ``passes``: whether they see the client's credentials.
    ``reloads``: whether one whose file has changed is loaded anew. The groups are mod_wsgi's; that of an application
    may go by its SCRIPT_NAME, and by the port.
    """

    callable: str
    passes: bool
    reloads: bool
    process_group: str
    application_group: Callable[[str, int], str]


class RequestPlan(Protocol):
    """The configuration of a request, ready for use."""

    #: The interpreter's name (manual 4.1).
    interpreter: str
    auth_type: str | None
    auth_name: str | None
    requires: tuple[str, ...]
    document_root: str
    python_config: Mapping[str, str]
    options: Mapping[str, str]
    #: The two as tables have them.
    config_pairs: tuple[tuple[str, str], ...]
    option_pairs: tuple[tuple[str, str], ...]
    addhandler_extensions: tuple[str, ...]
    #: "", "on" or "double".
    hostname_lookups: str
    server_software: str
    #: UseCanonicalName: "" names the server as the client did, "on" as ServerName does, "dns" as its address is called.
    canonical_name: str
    #: CGIPassAuth: whether the Authorization header is among the CGI variables.
    pass_auth: bool
    #: What the engine alone uses: see `mpserver.phases.plan.Plan`.
    conf: Any
    has_end: bool
    limit_body: int
    #: Where bodies are kept until their handlers run; and whether those read them as they come instead.
    body_room: Room
    streams: bool
    #: Whether its content may wait in the event loop by a task, see `mpserver.api.tasks`.
    waits: bool
    #: FileETag, as bits; how many ranges are served; ServerSignature.
    file_etag: int
    range_limits: Limits
    signature: str
    #: EnableSendfile Off: files are read and written, not sent by the kernel.
    reads_files: bool
    #: UseCanonicalPhysicalPort; the scheme of ServerName, "" for none.
    physical_port: bool
    scheme: str
    server: Any
    python_path: str | None
    #: Only of plans whose requests are served by a script.
    script: ScriptPlan
    autoreload: bool
    handler: Any
    handlers: Any
    named: Any
    steps: Any
    subrequests: Any
    time_limit: float
    loader: Any
    debug: bool
    needs_python: bool
    interpreter_id: Any
    content: Any
    #: The interpreters of its phases, by name and id (see `mpserver.modules.hooks`): of the early ones, and of all
    #: where they may differ.
    interpreters: Mapping[str, tuple[str, Any]]
    error_documents: Any
    error_head: Any
    filters: Any

    def phases_of(self, req: Any) -> Any:
        """What is done with a request, phase by phase (`mpserver.phases.plan.Phases`)."""

    def tell(self, req: Any) -> Iterator[tuple[str, str]]:
        """The plan of a request in words: names and texts."""

    def refuses(self, req: Any) -> bool:
        """Whether a page that tells of the server itself is not for a request's client, which the log has been told."""

    def redirect(self, req: Any, uri: str) -> None:
        """Serve another URI in place of this request."""
