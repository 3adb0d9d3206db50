"""How a certificate is had of an authority: an account, an order, answers to challenges, and what comes of it."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import threading
import time
from collections.abc import Iterator

import josepy.errors
import requests
from acme import client, crypto_util, errors, messages
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from mpserver.certificates import challenges
from mpserver.certificates.challenges import Asked
from mpserver.certificates.errors import Failed
from mpserver.certificates.events import Events
from mpserver.modules.md import KeyKind
from mpserver.modules.md.domains import Domain, Shared
from mpserver.modules.md.store import Store
from mpserver.typing import Any, NamedTuple
from mpserver.version import VERSION

AGENT = f"mpserver/{VERSION} (mod_md)"
#: How long an authority may take to look at answers, and to sign, in seconds; how long one of its answers may take.
PATIENCE = 300.0
ANSWER = 30
#: How often it is asked how far it is: the first wait, and the longest, in seconds.
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0

_CURVES: dict[str, type[ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1]] = {
    "secp256r1": ec.SECP256R1,
    "secp384r1": ec.SECP384R1,
    "secp521r1": ec.SECP521R1,
}

#: What an authority says of accounts that it doesn't know, or no more.
UNKNOWN_ACCOUNTS = frozenset({"accountDoesNotExist"})


class Issued(NamedTuple):
    """A certificate with those above it, and its key."""

    kind: KeyKind
    chain: bytes
    key: bytes


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """Tell what goes wrong with an authority in words. :raises Failed: it did."""
    try:
        yield
    except messages.Error as error:
        raise Failed(f"the authority refuses: {_problem(error)}") from error
    except errors.ValidationError as error:
        raise Failed(_unshown(error.failed_authzrs)) from error
    except errors.IssuanceError as error:
        raise Failed(f"the authority signs nothing: {_problem(error.error)}") from error
    except errors.TimeoutError as error:
        raise Failed("the authority has not come to an end in time") from error
    except requests.exceptions.RequestException as error:
        raise Failed(f"the authority can't be reached: {_network(error)}") from error
    except (errors.Error, josepy.errors.Error, ValueError, KeyError) as error:
        raise Failed(f"the authority's answer makes no sense: {type(error).__name__}: {str(error)[:300]}") from error


def _problem(error: Any) -> str:
    code = str(error.typ or "").rpartition(":")[2] or "error"
    parts = "; ".join(str(part.detail) for part in error.subproblems or () if part.detail)
    return f"{code}: {error.detail or error.title or 'it does not say why'}" + (f" ({parts})" if parts else "")


def _unshown(failed: Any) -> str:
    told = []
    for authorization in failed:
        name = authorization.body.identifier.value
        whys = [_problem(body.error) for body in authorization.body.challenges if body.error is not None]
        told.append(f"the authority could not see that {name} is ours: {'; '.join(whys) or 'it does not say why'}")
    return "; ".join(told)


def _network(error: requests.exceptions.RequestException) -> str:
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", inner))[:300]


class Authority:
    """An authority, where we have an account; for one visit there."""

    def __init__(self, url: str, shared: Shared, store: Store, lock: threading.Lock) -> None:
        """``lock``: held while the account is looked for, or made."""
        self._url, self._shared, self._store, self._lock = url, shared, store, lock
        #: (one for each authority: what names the folder is of no meaning)
        self._name = hashlib.sha256(url.encode()).hexdigest()[:16]
        self._net: client.ClientNetwork | None = None
        self._client: client.ClientV2 | None = None

    def obtain(self, domain: Domain, kind: KeyKind, events: Events) -> Issued:
        """A new certificate. :raises Failed: there is none."""
        with in_words():
            try:
                return self._obtain(domain, kind, events)
            except messages.Error as error:
                if error.code not in UNKNOWN_ACCOUNTS:
                    raise
            with self._lock:
                self._register(domain)
            return self._obtain(domain, kind, events)

    def renewal_time(self, chain: bytes) -> tuple[float | None, float]:
        """When the authority wants a certificate to be renewed (RFC 9773), and when to ask it next.

        :raises Failed: it does not say.
        """
        with in_words():
            with self._lock:
                acme = self._open()
            wanted, again = acme.renewal_time(chain)
            return None if wanted is None else wanted.timestamp(), again.timestamp()

    # ---- the account

    def _open(self) -> client.ClientV2:
        """A client of the authority."""
        if self._client is None:
            key = self._account_key()
            net = client.ClientNetwork(key, alg=ES256, user_agent=AGENT, timeout=ANSWER)
            net.verify_ssl = self._shared.trust or True  # type: ignore[assignment]  # (requests takes a file, too)
            if self._shared.proxy:
                net.session.proxies = dict.fromkeys(("http", "https"), self._shared.proxy)
            self._net = net
            self._client = client.ClientV2(client.ClientV2.get_directory(self._url, net), net)
        return self._client

    def _enter(self, domain: Domain) -> client.ClientV2:
        """The same as a customer: by the account that is kept, else by a new one.

        :raises Failed: the authority's terms were not accepted for this domain.
        """
        acme = self._open()
        assert self._net is not None
        terms = getattr(acme.directory.meta, "terms_of_service", None)
        if terms and not domain.agreed:
            raise Failed(
                f"the authority has terms that have to be accepted: read {terms}, and write "
                "'MDCertificateAgreement accepted'"
            )
        if self._net.account is None:
            uri = self._kept_uri()
            if uri:
                self._net.account = messages.RegistrationResource(body=messages.Registration(), uri=uri)
            else:
                self._register(domain)
        return acme

    def _account_key(self) -> JWKEC:
        path = self._store.account(self._name, "account.key.pem")
        try:
            with open(path, "rb") as file:
                pem = file.read()
        except FileNotFoundError:
            made = ec.generate_private_key(ec.SECP256R1())
            pem = _pem(made)
            self._store.write(path, pem, secret=True)
        return JWKEC(key=serialization.load_pem_private_key(pem, None))

    def _kept_uri(self) -> str:
        try:
            with open(self._store.account(self._name, "account.json"), encoding="utf-8") as file:
                return str(json.load(file)["uri"])
        except (OSError, ValueError, LookupError, TypeError):
            return ""

    def _register(self, domain: Domain) -> None:
        """Become a customer, or find out who we are there."""
        assert self._client is not None and self._net is not None
        acme, net = self._client, self._net
        net.account = None
        binding = None
        if domain.account is not None:
            binding = messages.ExternalAccountBinding.from_data(
                self._account_key().public_key(), domain.account.name, domain.account.secret, acme.directory
            )
        elif acme.external_account_required():
            raise Failed("the authority takes customers of its own alone: name the account by MDExternalAccountBinding")
        new = messages.NewRegistration.from_data(
            email=domain.contact or None, terms_of_service_agreed=True, external_account_binding=binding
        )
        try:
            uri = acme.new_account(new).uri
        except errors.ConflictError as error:
            uri = error.location
            net.account = messages.RegistrationResource(body=messages.Registration(), uri=uri)
        self._store.write(
            self._store.account(self._name, "account.json"),
            json.dumps({"authority": self._url, "uri": uri}, indent=2).encode(),
            secret=True,
        )

    # ---- a certificate

    def _obtain(self, domain: Domain, kind: KeyKind, events: Events) -> Issued:
        with self._lock:
            acme = self._enter(domain)
        key = _new_key(kind)
        order = acme.new_order(crypto_util.make_csr(key, list(domain.names)), self._profile(acme, domain))
        deadline = time.time() + PATIENCE
        with self._answered(acme, order, domain, events):
            _await_shown(acme, order, deadline)
        until = datetime.datetime.now() + datetime.timedelta(seconds=PATIENCE)
        return Issued(kind, acme.finalize_order(order, until).fullchain_pem.encode(), key)

    def _profile(self, acme: client.ClientV2, domain: Domain) -> str | None:
        """The profile that is asked for (MDProfile), where the authority has it."""
        if not domain.profile:
            return None
        offered = getattr(acme.directory.meta, "profiles", None) or {}
        if domain.profile in offered:
            return domain.profile
        if domain.profile_mandatory:
            raise Failed(f"the authority has no profile '{domain.profile}': it has {', '.join(offered) or 'none'}")
        return None

    @contextlib.contextmanager
    def _answered(
        self, acme: client.ClientV2, order: messages.OrderResource, domain: Domain, events: Events
    ) -> Iterator[None]:
        """Answer what has to be answered for an order, until the block ends."""
        known = challenges.setters(domain, self._store, self._shared.dns_version)
        with contextlib.ExitStack() as answered:
            for authorization in order.authorizations:
                if authorization.body.status == messages.STATUS_VALID:
                    continue
                body = challenges.choose(authorization, known)
                name = authorization.body.identifier.value
                response, validation = body.chall.response_and_validation(acme.net.key)
                asked: Asked = known[body.chall.typ]
                token = body.chall.encode("token")
                answered.callback(events.tried, asked.tear_down, name, token, validation)
                asked.set_up(name, token, validation)
                events.challenge(body.chall.typ, name)
                acme.answer_challenge(body, response)
            yield


def _await_shown(acme: client.ClientV2, order: messages.OrderResource, deadline: float) -> None:
    """Wait until the authority has looked at all answers. :raises acme.errors.Error: it did not like one."""
    failed = []
    for authorization in order.authorizations:
        wait = FIRST_WAIT
        while authorization.body.status in (messages.STATUS_PENDING, messages.STATUS_PROCESSING):
            if time.time() > deadline:
                raise errors.TimeoutError()
            time.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
            authorization, _response = acme.poll(authorization)
        if authorization.body.status != messages.STATUS_VALID:
            failed.append(authorization)
    if failed:
        raise errors.ValidationError(failed)


def _new_key(kind: KeyKind) -> bytes:
    """A new key of a kind, as text."""
    if kind.curve:
        return _pem(ec.generate_private_key(_CURVES[kind.curve]()))
    return _pem(rsa.generate_private_key(65537, kind.bits))


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
