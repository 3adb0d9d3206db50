"""What was found for texts that clients choose, kept for those who ask again, in bounded memory.

Whoever asks for ever new paths asks for each of them once. So where a memory has more than a few, only what is asked
for again comes in: the rest takes no room, and pushes nothing out. And all of it is bounded by bytes.
"""

from __future__ import annotations

from mpserver.typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

#: So many come in when they are asked for the first time. There may be dozens of interpreters, with some memories each:
#: who asks once for what is nowhere must not fill them.
FEW = 32
#: How many of those that came once are known. Each takes two bytes.
MARKS = 8192
#: One of them takes this part of the room at most.
PART = 64


class Comings:
    """Which of many have come before: a Bloom filter, which begins anew when so many have come.

    Of 200 that have not, less than one is taken for one that has.
    """

    __slots__ = ("_bits", "_count", "_number")

    def __init__(self, number: int = MARKS) -> None:
        self._number, self._count = number, 0
        self._bits = bytearray()

    def again(self, key: object) -> bool:
        """Whether it has come before; it has from now on."""
        if not self._bits or self._count >= self._number:
            self._bits, self._count = bytearray(2 * self._number), 0
        bits, found, known = self._bits, hash(key), True
        for part in (found, found >> 20, found >> 40):
            at, bit = (part >> 3) % len(bits), 1 << (part & 7)
            if not bits[at] & bit:
                bits[at] |= bit
                known = False
        self._count += not known
        return known


class Remembered(dict[K, V]):
    """A dictionary whose entries are kept by `keep`, and all forgotten when its room is used up."""

    __slots__ = ("_comings", "_each", "_left", "_room")

    def __init__(self, room: int, each: int) -> None:
        """``room``: in bytes, about; ``each``: what an entry takes beside its texts."""
        super().__init__()
        self._room = self._left = room
        self._each = each
        self._comings = Comings()

    def keep(self, key: K, value: V, size: int) -> bool:
        """Remember something, unless it comes for the first time among many, or is too long.

        :param size: of the texts in it, in bytes.
        :returns: whether it is remembered.
        """
        cost = self._each + size
        if cost > self._room // PART or (len(self) >= FEW and not self._comings.again(key)):
            return False
        if key not in self:  # (else it has the room of one that does not hold any more: its texts are the key's)
            if cost > self._left:
                self.clear()
            self._left -= cost
        self[key] = value
        return True

    def clear(self) -> None:
        """Forget all."""
        super().clear()
        self._left = self._room
