"""What waits to be exported."""

from mpserver.ipc import span_records
from mpserver.telemetry.queue import Waiting


def message(writer: int, before: int, records: int) -> bytes:
    told: dict[str, list[object]] = {"facts": [], "peers": [], "names": [], "places": []}
    return span_records.pack(writer, before, told, [bytes(span_records.FIXED * span_records.NUMBER)] * records)


def test_a_source_that_is_over_is_kept_no_longer_than_what_it_has_told() -> None:
    waiting = Waiting(300)
    waiting.add(message(1, 0, 256), "over")
    waiting.forget("over")
    waiting.add(message(2, 0, 100), "other")
    assert list(waiting._sources) == ["other"]
    assert (waiting.left, waiting.take_lost()) == (100, 256)
    assert waiting.take(512, 0.0) == [message(2, 0, 100)]
    waiting.forget("other")
    assert not waiting._sources
