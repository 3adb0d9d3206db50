"""The command ``tools/fuzz``."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import random
import sys
import tempfile
import traceback
from pathlib import Path

from fuzzing import engine
from fuzzing.targets import CORPUS, TARGETS, Target


def main() -> int:
    """Fuzz a target, or all in turn; 1 where one stumbles."""
    parser = argparse.ArgumentParser(
        prog="fuzz",
        description="Feed what reads bytes of others with bytes that nobody meant. What a target stumbles over is"
        " written to a file, as short as it could be made; mended, it becomes a case of tests/tools/test_fuzz.py.",
    )
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument("seconds", type=float, help="for how long, each")
    parser.add_argument("--atheris", action="store_true", help="led by coverage, where atheris is installed")
    parser.add_argument("--seed", type=int, help="make the inputs of another time again")
    parser.add_argument("--input", type=Path, metavar="FILE", help="run the target on this alone")
    options = parser.parse_args()
    if options.input is not None:
        if options.target == "all":
            parser.error("--input goes with one target")
        TARGETS[options.target].run(options.input.read_bytes())
        return 0
    if options.atheris:
        if options.target == "all":
            parser.error("--atheris goes with one target")
        return _led_by_coverage(TARGETS[options.target], options.seconds)
    first = random.randrange(1 << 32) if options.seed is None else options.seed  # noqa: S311 - a seed to be told
    found = 0
    for target in TARGETS.values() if options.target == "all" else [TARGETS[options.target]]:
        count, fault = engine.run(target, options.seconds, first)
        print(f"{target.name}: {count} inputs, --seed {first}", flush=True)
        if fault is not None:
            found = 1
            traceback.print_exception(fault.error)
            kept = Path(f"fuzz-{target.name}-{hashlib.sha256(fault.data).hexdigest()[:8]}")
            kept.write_bytes(fault.data)
            print(f"{target.name} stumbles over {kept}: {fault.data[:200]!r}", flush=True)
    return found


def _led_by_coverage(target: Target, seconds: float) -> int:
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: pip install atheris", file=sys.stderr)
        return 2
    import atheris

    def one(data: bytes) -> None:
        with engine.bounded():
            target.run(data)

    with tempfile.TemporaryDirectory() as grown, tempfile.NamedTemporaryFile("w", suffix=".dict") as words:
        for word in target.words:
            words.write('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n')
        words.flush()
        atheris.instrument_all()
        atheris.Setup(
            [
                "fuzz",
                f"-max_total_time={seconds:.0f}",
                f"-dict={words.name}",
                "-max_len=8192",
                grown,
                str(CORPUS / target.name),
            ],
            one,
        )
        atheris.Fuzz()  # (it ends the process)
    return 0
