"""Guards: a signal that asks to end is noted, a second acts, but never within a save."""

import contextlib
import signal

import pytest
from common import for_all

from srlab.machine.signals import Stopper


@contextlib.contextmanager
def handlers(**wanted):
    """Set handlers by the names of their signals, and put back what was there."""
    before = {name: signal.signal(getattr(signal, name), h) for name, h in wanted.items()}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def test_the_first_signal_becomes_a_flag_and_the_second_acts():
    def check(number):
        acted = []
        note = lambda number, _: acted.append(number)  # noqa: E731
        with handlers(SIGTERM=note, SIGINT=note):
            with Stopper() as stopper:
                assert stopper.signal is None
                signal.raise_signal(number)
                assert stopper.signal == number
                assert acted == []
                signal.raise_signal(number)
                assert acted == [number]
            assert signal.getsignal(signal.SIGTERM) is note
            assert signal.getsignal(signal.SIGINT) is note

    for_all((signal.SIGTERM, signal.SIGINT), check)


def test_the_handlers_are_put_back_without_a_signal_and_after_an_error_too():
    note = lambda *_: None  # noqa: E731
    with handlers(SIGTERM=note, SIGINT=note):
        with Stopper() as stopper:
            assert signal.getsignal(signal.SIGTERM) is not note
        assert stopper.signal is None
        assert signal.getsignal(signal.SIGTERM) is note
        with pytest.raises(RuntimeError, match="on purpose"), Stopper():
            raise RuntimeError("on purpose")
        assert signal.getsignal(signal.SIGINT) is note


def test_no_second_signal_interrupts_a_save():
    with handlers(SIGINT=signal.default_int_handler), Stopper() as stopper:
        signal.raise_signal(signal.SIGINT)
        with stopper.shielded():
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_closed_terminal_asks_too_unless_that_is_ignored():
    note = lambda *_: None  # noqa: E731
    for handler, noted in ((note, signal.SIGHUP), (signal.SIG_IGN, None)):
        with handlers(SIGHUP=handler), Stopper() as stopper:
            signal.raise_signal(signal.SIGHUP)
            assert stopper.signal == noted
