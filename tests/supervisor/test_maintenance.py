"""How many workers there should be: the rules of prefork, step by step."""

import pytest

from mpserver.supervisor.maintenance import MaintenanceStep, SpareRules, WorkerLoad, delay, plan

RULES = SpareRules(start=5, min_spare=3, max_spare=5, max_workers=12)


def workers(idle: int, busy: int = 0) -> list[WorkerLoad]:
    return [WorkerLoad(slot, slot < busy) for slot in range(idle + busy)]


@pytest.mark.parametrize(
    ("idle", "busy", "rate", "step"),
    [
        (3, 0, 1, MaintenanceStep(0, None, 1)),
        (5, 7, 4, MaintenanceStep(0, None, 1)),
        (2, 2, 1, MaintenanceStep(1, None, 2)),
        (0, 2, 1, MaintenanceStep(1, None, 2)),
        (0, 2, 2, MaintenanceStep(2, None, 4)),
        (0, 2, 8, MaintenanceStep(3, None, 16)),
        (0, 2, 32, MaintenanceStep(3, None, 32)),
        (0, 11, 8, MaintenanceStep(1, None, 16)),
        (0, 12, 8, MaintenanceStep(0, None, 1, True)),
        (6, 0, 4, MaintenanceStep(0, 5, 1)),
        (6, 3, 1, MaintenanceStep(0, 8, 1)),
    ],
)
def test_a_step_moves_the_idle_workers_between_the_limits(
    idle: int, busy: int, rate: int, step: MaintenanceStep
) -> None:
    assert plan(workers(idle, busy), RULES, rate) == step


def test_rising_load_is_met_exponentially_and_never_past_the_limit() -> None:
    rules = SpareRules(1, 100, 200, 90)
    count, rate, history = 0, 1, []
    for _ in range(10):
        step = plan(workers(0, count), rules, rate)
        count, rate = count + step.fork, step.rate
        history.append(step.fork)
    assert history == [1, 2, 4, 8, 16, 32, 27, 0, 0, 0]
    assert count == 90


def test_only_idle_workers_are_ended() -> None:
    seen = [WorkerLoad(0, False)] * 6 + [WorkerLoad(9, True)]
    assert plan(seen, RULES, 1).end == 0


def test_failing_starts_are_tried_ever_more_rarely() -> None:
    delays = [delay(failures) for failures in range(12)]
    assert delays[0] == 0
    assert delays[1:5] == [0.1, 0.2, 0.4, 0.8]
    assert delays[-1] == 10
    assert delay(10**9) == 10
