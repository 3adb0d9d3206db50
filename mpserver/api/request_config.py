"""What a request tells of its configuration and its client, and the handlers and filters that are added to it."""

from __future__ import annotations

import binascii

from mpserver import lazyre
from mpserver.api import constants
from mpserver.api import uri as uri_module
from mpserver.api.handler_list import HandlerEntry
from mpserver.api.members import string
from mpserver.api.own_settings import OwnSettings
from mpserver.api.request_members import RequestMembers
from mpserver.api.table import Table
from mpserver.builtin import index
from mpserver.http1 import wire
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.connection import Connection

#: What can be decoded of Basic credentials.
BASE64 = lazyre.compile(r"[A-Za-z0-9+/]*")


class RequestConfig(RequestMembers):
    """The methods of a request that ask its plan, or add to it (manual 4.5.3)."""

    __slots__ = ()

    # ---- who asks

    def auth_type(self) -> str | None:
        """AuthType."""
        return self.mp_plan.auth_type

    def auth_name(self) -> str | None:
        """AuthName."""
        return self.mp_plan.auth_name

    def requires(self) -> tuple[str, ...]:
        """The arguments of the Require lines in effect."""
        return self.mp_plan.requires

    def get_basic_auth_pw(self) -> str | None:
        """The password of Basic authentication; sets `user` and `ap_auth_type` (manual 4.5.3).

        None without AuthType Basic and AuthName, and without such credentials. What is no base64
        ends the credentials, as in httpd: rubbish is an empty name and password.
        """
        if (self.mp_plan.auth_type or "").lower() != "basic" or not self.mp_plan.auth_name:
            return None
        scheme, _, credentials = (self.headers_in.get("Authorization") or "").partition(" ")
        if scheme.lower() != "basic":
            return None
        encoded = BASE64.match(credentials.strip())
        assert encoded is not None
        digits = encoded[0][: len(encoded[0]) & ~3 if len(encoded[0]) % 4 == 1 else None]
        decoded = binascii.a2b_base64(digits + "=" * (-len(digits) % 4)).decode("latin-1")
        user, _, password = wire.decoded(decoded).partition(":")
        self.mp_user = user
        self.mp_ap_auth_type = "Basic"
        return password

    def get_remote_host(self, type: int = constants.REMOTE_NAME, str_is_ip: Any = None) -> Any:
        """The client's DNS name or IP (manual 4.5.3).

        :returns: a string or None; with ``str_is_ip`` a tuple with 1 where it is an IP.
        """
        return self.mp_host_of(self.connection, index(type), str_is_ip)

    def mp_get_agent_host(self, type: int = constants.REMOTE_NAME) -> str | None:
        """The same of the user agent, where a proxy has told who that is (mod_remoteip)."""
        if self.mp_agent is None:
            found: str | None = self.mp_get_remote_host(type)
            return found
        agent = self.mp_agent_object
        if agent is None:
            from mpserver.api.connection import Connection  # (few requests have one)

            known = self.mp_link.connection()
            agent = Connection(known.mp_id, self.mp_agent, known.mp_local_addr, known.mp_base_server, known.mp_log)
            self.mp_agent_object = agent
        shown: str | None = self.mp_host_of(agent, type, None)
        return shown

    def mp_host_of(self, connection: Connection, type: int, str_is_ip: Any) -> Any:
        """See `get_remote_host`; of a connection."""
        name = connection.remote_host
        if type == constants.REMOTE_DOUBLE_REV:
            name = connection.mp_look_up(double=True)
        elif type != constants.REMOTE_NOLOOKUP and self.mp_plan.hostname_lookups:
            name = connection.mp_look_up(double=self.mp_plan.hostname_lookups == "double")
            if name is None:
                connection.mp_remote_host = ""  # (a name that does not lead back counts nowhere)
        is_ip = 0
        if not name:
            if type in (constants.REMOTE_HOST, constants.REMOTE_DOUBLE_REV):
                return None
            name, is_ip = connection.client_ip, 1
        return name if str_is_ip is None else (name, is_ip)

    def is_https(self) -> int:
        """1 where the connection is encrypted."""
        return 0 if self.mp_link.tls is None else 1

    def ssl_var_lookup(self, var_name: str) -> str | None:
        """The value of an SSL variable; None on a connection without TLS."""
        tls = self.mp_link.tls
        return None if string(1, var_name) is None or tls is None else tls.variable(var_name)

    # ---- the configuration

    def document_root(self) -> str:
        """DocumentRoot."""
        return self.mp_plan.document_root

    def get_config(self) -> Table:
        """The Python directives in effect, by name (manual 4.5.3)."""
        pairs, kept = self.mp_plan.config_pairs, self.mp_config
        if kept is None or kept.pairs is not pairs:
            kept = self.mp_config = OwnSettings(pairs) if kept is None else kept.of(pairs)
        return kept.table

    def get_options(self) -> Table:
        """The PythonOptions in effect."""
        pairs, kept = self.mp_plan.option_pairs, self.mp_options
        if kept is None or kept.pairs is not pairs:
            kept = self.mp_options = OwnSettings(pairs) if kept is None else kept.of(pairs)
        return kept.table

    def get_addhandler_exts(self) -> str:
        """The extensions that AddHandler gives to mod_python, separated by blanks."""
        return " ".join(self.mp_plan.addhandler_extensions)

    def add_handler(self, htype: str, handler: str, dir: str | None = None) -> None:
        """Run another handler in this request (manual 4.5.3).

        In the running phase it comes after the others; for a later phase, too.

        :raises IndexError: there is no such phase.
        """
        if string(1, htype) not in constants.REQUEST_PHASES:
            raise IndexError(f"Invalid phase: {htype}")
        string(2, handler)
        entry = HandlerEntry(handler, None if dir is None else uri_module.directory(dir), False, False)
        if self.mp_added is None:
            self.mp_added = {}
        self.mp_added.setdefault(htype, []).append(entry)

    def register_input_filter(self, filter_name: str, filter: str, dir: str | None = None) -> None:
        """Give a filter a name in this request; `add_input_filter` puts it in (api 3.5 1.2)."""
        self.mp_register_filter("in", string(1, filter_name), string(2, filter), dir)

    def register_output_filter(self, filter_name: str, filter: str, dir: str | None = None) -> None:
        """Give a filter a name in this request; `add_output_filter` puts it in."""
        self.mp_register_filter("out", string(1, filter_name), string(2, filter), dir)

    def add_input_filter(self, filter_name: str) -> None:
        """Let what is left of the body come through a filter: one registered on the request, or configured."""
        self.mp_ask_for_filter("in", filter_name)

    def add_output_filter(self, filter_name: str) -> None:
        """Let the response from here on go through a filter: one registered on the request, or configured."""
        self.mp_ask_for_filter("out", filter_name)

    def mp_ask_for_filter(self, kind: str, filter_name: str) -> None:
        """Put a filter in, and note that an application has; ``kind``: "in" or "out"."""
        name = str(string(1, filter_name))
        self.mp_put_filter(kind, name)
        self.mp_asked_filters += ((kind, name),)

    def mp_put_filter(self, kind: str, name: str) -> None:
        """Put a filter in; ``kind``: "in" or "out"."""
        filters = self.mp_plan.filters
        (filters.add_input if kind == "in" else filters.add_output)(self, name, self.mp_registered(kind, name))

    def mp_register_filter(self, kind: str, name: str, handler: str, directory: str | None) -> None:
        """Note a filter; ``kind``: "in" or "out"."""
        if directory is not None:
            directory = uri_module.directory(string(3, directory))
        if self.mp_filters is None:
            self.mp_filters = {}
        self.mp_filters[kind, name] = (handler, directory)

    def mp_registered(self, kind: str, name: str) -> tuple[str, str | None] | None:
        """Handler and directory of a filter that the request registered; None where it has none of that name."""
        return None if self.mp_filters is None else self.mp_filters.get((kind, name))

    # For the engine: an application may have put something of its own in the place of a method.
    mp_get_remote_host = get_remote_host
    mp_is_https = is_https
