"""The queue of caught signals, and the reaping of children, in a process of their own."""

from __future__ import annotations

from support.processes import run_code


def test_signals_are_queued_in_their_order_each_once() -> None:
    code = """
        import os, select, signal
        from mpserver.system.signals import SignalQueue
        signals = SignalQueue()
        signals.install([signal.SIGUSR1, signal.SIGHUP])
        print(signals.read(), select.select([signals], [], [], 0)[0] == [])
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGHUP):
            os.kill(os.getpid(), number)
        print(select.select([signals], [], [], 5)[0] == [signals], signals.read() == [signal.SIGHUP, signal.SIGUSR1])
        print(signals.read())
    """
    assert run_code(code) == "[] True\nTrue True\n[]\n"


def test_a_forked_child_has_default_actions_and_no_descriptors_of_the_queue() -> None:
    code = """
        import os, signal
        from mpserver.system.signals import SignalQueue
        before = len(os.listdir("/proc/self/fd"))
        signals = SignalQueue()
        signals.install([signal.SIGUSR1])
        pid = os.fork()
        if pid == 0:
            signals.close()
            if len(os.listdir("/proc/self/fd")) == before:
                os.kill(os.getpid(), signal.SIGUSR1)
            os._exit(1)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        print(signals.read() == [signal.SIGUSR1])
    """
    assert run_code(code) == "True\nTrue\n"


def test_children_that_have_ended_are_reaped_and_others_not_waited_for() -> None:
    code = """
        import os, signal
        from mpserver.system.process import ended_children

        def child(status):
            pid = os.fork()
            if pid == 0:
                if status is None:
                    signal.pause()
                os._exit(status)
            return pid

        print(list(ended_children()))
        lives, *ended = child(None), child(0), child(3)
        for pid in ended:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        print(sorted(os.waitstatus_to_exitcode(status) for pid, status in ended_children() if pid in ended))
        print(list(ended_children()))
        os.kill(lives, signal.SIGKILL)
        os.waitid(os.P_PID, lives, os.WEXITED | os.WNOWAIT)
        print([pid == lives for pid, _status in ended_children()])
    """
    assert run_code(code) == "[]\n[0, 3]\n[]\n[True]\n"


def test_what_was_held_acts_as_it_did_where_no_queue_takes_it() -> None:
    code = """
        import signal
        from mpserver.system.signals import Held, SignalQueue
        blocked = lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ())
        before = blocked()
        with Held():
            print({signal.SIGHUP, signal.SIGTERM} <= blocked())
            SignalQueue().install([signal.SIGUSR2])
            print(blocked() == before)
        print(blocked() == before)
    """
    assert run_code(code) == "True\nTrue\nTrue\n"
