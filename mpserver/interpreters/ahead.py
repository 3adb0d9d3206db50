"""What of the engine is loaded before interpreters begin, although not each of them will use it.

Processes have it from the one that they are forked from, and subinterpreters find its code in memory
(`mpserver.system.code_snapshot`): so nobody has to open a file for it, which might fail just where it is needed, as an
error page is when descriptors have come to an end.
"""

from __future__ import annotations

from importlib import import_module

from mpserver.modules.all import load_hooks
from mpserver.system import own_imports

#: What interpreters import when they first use it.
LATE = (
    "mpserver.alike",
    "mpserver.api.cgi_variables",
    "mpserver.api.connection_stream",
    "mpserver.api.error_style",
    "mpserver.api.html_pages",
    "mpserver.api.input_filters",
    "mpserver.api.output_filters",
    "mpserver.api.own_framing",
    "mpserver.application.changed_files",
    "mpserver.application.lazy_imports",
    "mpserver.config.expression_grammar",
    "mpserver.config.htaccess_file",
    "mpserver.config.linear",
    "mpserver.config.patterns",
    "mpserver.config.regex",
    "mpserver.config.starts",
    "mpserver.http1.conditions",
    "mpserver.ipc.address_table",
    "mpserver.ipc.member_health",
    "mpserver.ipc.slow_clients",
    "mpserver.ipc.waiting_requests",
    "mpserver.modules.alias.redirects",
    "mpserver.modules.auth_digest.answers",
    "mpserver.modules.authn_anon.provider",
    "mpserver.modules.authn_dbm.provider",
    "mpserver.modules.authn_file.provider",
    "mpserver.modules.authn_socache.provider",
    "mpserver.modules.authz_core.requirements",
    "mpserver.modules.authz_core.users",
    "mpserver.modules.authz_dbm.requirements",
    "mpserver.modules.authz_groupfile.requirements",
    "mpserver.modules.authz_host.requirements",
    "mpserver.modules.autoindex.surroundings",
    "mpserver.modules.log_config.json_lines",
    "mpserver.modules.log_config.own_items",
    "mpserver.modules.md.facts",
    "mpserver.modules.md.store",
    "mpserver.modules.negotiation.negotiating",
    "mpserver.modules.core.errorpage",
    "mpserver.modules.core.files",
    "mpserver.modules.expressions",
    "mpserver.modules.proxy.encryption",
    "mpserver.modules.proxy.gateways",
    "mpserver.modules.proxy.handler",
    "mpserver.modules.proxy.mapping",
    "mpserver.modules.python.connection_handlers",
    "mpserver.modules.python.debug_page",
    "mpserver.modules.python.filters",
    "mpserver.modules.python.load_errors",
    "mpserver.modules.python.placing",
    "mpserver.modules.rewrite.outcome",
    "mpserver.modules.ssl.require",
    "mpserver.modules.ssl.requirements",
    "mpserver.modules.tracing.collecting",
    "mpserver.phases.branches",
    "mpserver.phases.known_indexes",
    "mpserver.phases.rules",
    "mpserver.phases.subrequests",
    "mpserver.phases.timeouts",
    "mpserver.phases.transfer",
    "mpserver.serving.answers",
    "mpserver.serving.backlog",
    "mpserver.serving.bodies",
    "mpserver.serving.carrying",
    "mpserver.serving.challenged",
    "mpserver.serving.connection_handlers",
    "mpserver.serving.courier",
    "mpserver.serving.going_on",
    "mpserver.serving.leased_listeners",
    "mpserver.serving.foreign",
    "mpserver.serving.found_connection",
    "mpserver.serving.luggage",
    "mpserver.serving.request_wire",
    "mpserver.serving.tasks",
    "mpserver.serving.tls",
    "mpserver.serving.unsent",
    "mpserver.system.subinterpreters",
)


def load() -> None:
    """Load it, in a process that will be forked or have subinterpreters."""
    own_imports.install()
    load_hooks()
    for name in LATE:
        import_module(name)
