"""Sessions in a Redis server, for several mpservers.

A session is one key, and ends with it: Redis deletes it when the session's time is over. Its lock is another
key that holds the holder's token and ends by itself, so that a machine that is gone takes no session along.
Whoever lost a lock that way can't save over what others saved since: a save under a lock looks for the token,
in one step with the save. Servers that wait stand in a queue: who gives the lock back grants it to the first, which
blocks on a list of its own until then; a grant that nobody takes ends after two seconds.

Among themselves the interpreters of one mpserver are kept apart by its own locks, which cost less and end with
their process. So a token that begins with this server's name, found by who has the server's own lock, was
left by a process that was killed, and is taken over at once.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from threading import get_ident

from mod_python._sessions.base import SessionUnavailable
from mod_python._sessions.once import Once
from mod_python._sessions.options import Redis
from mpserver.api import runtime
from mpserver.typing import Any, TypeVar

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"Sessions in Redis need the library redis ({missing}): pip install 'mpserver[redis]'",
        name=missing.name,
    ) from missing

T = TypeVar("T")

#: For how many seconds Redis isn't asked again after it didn't answer in time: every request would wait for that.
_REST = 1.0
#: How many seconds a waiter blocks at once. It looks after the lock that often even if nobody gives it back.
_LOOK = 1
#: Sessions that are to last longer than this (in seconds: 300 years) have no end in Redis.
_FOR_EVER = 10**10

# A lock is free, or holds its holder's token, or a grant: the name of the server whose turn it is and "granted".
# KEYS: the lock, its queue, what wakes this server, the session. ARGV: the token, this server's name, the lock's
# time in ms. Who has the lock gets the session with it.
_ACQUIRE = """
local holder = redis.call('GET', KEYS[1])
local mine = holder and string.sub(holder, 1, #ARGV[2]) == ARGV[2]
if not holder then
    local first = redis.call('LPOP', KEYS[2])
    mine = not first or first == ARGV[2]
    if not mine then
        redis.call('SET', KEYS[1], first .. 'granted', 'PX', 2000)
    end
end
if mine then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
    redis.call('DEL', KEYS[3])
    return {1, redis.call('GET', KEYS[4])}
end
local known = false
for _, name in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
    known = known or name == ARGV[2]
end
if not known then
    redis.call('RPUSH', KEYS[2], ARGV[2])
end
redis.call('PEXPIRE', KEYS[2], 5000)
return {0}
"""

# KEYS: the lock, its queue. ARGV: the token, this server's name, what the names of the lists that wake begin with.
_RELEASE = """
local holder = redis.call('GET', KEYS[1])
redis.call('LREM', KEYS[2], 0, ARGV[2])
if holder ~= ARGV[1] and holder ~= ARGV[2] .. 'granted' then
    return 0
end
local following = redis.call('LPOP', KEYS[2])
if following then
    redis.call('SET', KEYS[1], following .. 'granted', 'PX', 2000)
    redis.call('RPUSH', ARGV[3] .. following, '1')
    redis.call('PEXPIRE', ARGV[3] .. following, 2000)
else
    redis.call('DEL', KEYS[1])
end
return 1
"""

# KEYS: the session, the lock. ARGV: the token, the lock's time in ms, the data, the session's time in ms or ''.
_SAVE = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
    return 0
end
if ARGV[4] == '' then
    redis.call('SET', KEYS[1], ARGV[3])
else
    redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
"""


class Hold:
    """A session's lock as one thread has it: the ids of the session objects that share it."""

    __slots__ = ("owners", "sid", "token")

    def __init__(self, sid: str, token: str) -> None:
        self.sid, self.token = sid, token
        self.owners: set[int] = set()


class RedisStore:
    """Sessions in a Redis server, as one interpreter has them. It connects when it is first used.

    All that asks Redis raises SessionUnavailable, but for `release`.
    """

    __slots__ = (
        "_acquire", "_asked", "_client", "_domain", "_holds", "_lock_time", "_release", "_rests_until", "_save",
    )  # fmt: skip

    def __init__(self, asked: Redis, domain: str) -> None:
        """``domain`` names what shares the server's own locks.

        :raises ValueError: the options contradict each other, or the URL is none.
        """
        self._asked = asked
        self._domain = domain + "/"
        self._lock_time = asked.lock_timeout * 1000
        self._client = _connect(asked)
        self._acquire = self._client.register_script(_ACQUIRE)
        self._release = self._client.register_script(_RELEASE)
        self._save = self._client.register_script(_SAVE)
        self._holds: dict[tuple[int, str], Hold] = {}
        self._rests_until = 0.0

    def close(self, _: object = None) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, function: Callable[..., T], *args: Any) -> T:
        if self._rests_until > time.monotonic():
            raise SessionUnavailable("Redis did not answer in time a moment ago: no session can be had")
        try:
            return function(*args)
        except redis.TimeoutError as error:
            self._rests_until = time.monotonic() + _REST
            raise SessionUnavailable(f"Redis does not answer: {error}") from error
        except redis.RedisError as error:
            raise SessionUnavailable(
                f"Redis can't be used for sessions: {error}. PythonOption mod_python.redis_session.url says where it is"
            ) from error

    # ---- sessions

    def load(self, sid: str) -> bytes | None:
        """What is stored of a session; None if there is nothing."""
        found: bytes | None = self._ask(self._client.get, self._key(sid))
        return found

    def save(self, sid: str, data: bytes, seconds: float, hold: Hold | None) -> None:
        """Store a session for some seconds; under a lock only if that still holds."""
        if seconds <= 0:
            self.delete(sid)
            return
        time_left = max(1, int(seconds * 1000)) if seconds < _FOR_EVER else None
        if hold is None:
            self._ask(lambda: self._client.set(self._key(sid), data, px=time_left))
            return
        args = [hold.token, self._lock_time, data, "" if time_left is None else time_left]
        if not self._ask(self._save, [self._key(sid), self._key(sid) + ":lock"], args):
            raise SessionUnavailable(
                f"the session's lock ended before it was saved, so others may have changed it: it lasts "
                f"{self._asked.lock_timeout} seconds. Unlock sessions before slow work, or set PythonOption "
                "mod_python.redis_session.lock_timeout"
            )

    def delete(self, sid: str) -> None:
        """Forget a session, if there is one."""
        self._ask(self._client.delete, self._key(sid))

    # ---- locks

    def hold(self, sid: str) -> Hold:
        """What this thread holds, or is to acquire, of a session."""
        key = (get_ident(), sid)
        found = self._holds.get(key)
        if found is None:
            found = self._holds[key] = Hold(sid, self._domain + secrets.token_hex(8))
        return found

    def acquire(self, hold: Hold) -> bytes | None:
        """Wait for a session's lock and take it. The caller has the server's own lock of that session.

        :returns: what is stored of the session; None if there is nothing.
        """
        key = self._key(hold.sid)
        mine = f"{key}:free:{self._domain}"
        names, args = [f"{key}:lock", f"{key}:queue", mine, key], [hold.token, self._domain, self._lock_time]
        while True:
            answer: list[Any] = self._ask(self._acquire, names, args)
            if answer[0]:
                found: bytes | None = answer[1]
                return found
            self._ask(self._client.blpop, [mine], min(_LOOK, self._asked.timeout / 2))

    def release(self, hold: Hold) -> None:
        """Give a session's lock back, if it still holds; or don't wait for it any more."""
        self._holds.pop((get_ident(), hold.sid), None)
        try:
            key = self._key(hold.sid)
            names, args = [f"{key}:lock", f"{key}:queue"], [hold.token, self._domain, f"{key}:free:"]
            self._ask(self._release, names, args)
        except SessionUnavailable:
            pass  # the lock ends by itself, and who uses a session next tells the log

    def _key(self, sid: str) -> str:
        return self._asked.prefix + sid


def _connect(asked: Redis) -> Any:
    """A client for a server, which isn't asked yet. :raises ValueError: the options don't say which."""
    given: dict[str, Any] = {
        "protocol": 2,
        "socket_timeout": asked.timeout,
        "socket_connect_timeout": asked.timeout,
        # A connection that Redis closed meanwhile is opened anew; everything asked here can be asked twice.
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    }
    if asked.username is not None:
        given["username"] = asked.username
    if asked.password is not None:
        given["password"] = asked.password
    if asked.url is None:
        return redis.Redis(host=asked.host or "127.0.0.1", port=asked.port or 6379, db=asked.db or 0, **given)
    if asked.host is not None or asked.port is not None or asked.db is not None:
        raise ValueError("PythonOption mod_python.redis_session.url says host, port and db: leave those out")
    try:
        return redis.Redis.from_url(asked.url, **given)
    except ValueError as error:
        raise ValueError(f"PythonOption mod_python.redis_session.url: {error}") from None


@Once
def store(asked: Redis, domain: str) -> RedisStore:
    """The store that options ask for. :raises ValueError: they can't be."""
    made = RedisStore(asked, domain)
    server = runtime.current()
    if server is not None:
        server.register_cleanup(made.close)
    return made
