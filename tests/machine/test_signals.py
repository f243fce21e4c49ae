"""Guards: a signal that asks to end is noted, a second acts at once, but never within a save."""

import signal

import pytest

from srlab.machine.signals import Stopper


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_the_first_signal_is_noted_and_the_usual_handlers_come_back(name):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with Stopper() as stopper:
        signal.raise_signal(number)
        assert stopper.signal == number
    assert signal.getsignal(number) == before


def test_a_second_signal_acts_at_once_but_not_while_something_is_saved():
    with Stopper() as stopper:
        signal.raise_signal(signal.SIGINT)
        with stopper.shielded():
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_hangup_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stopper() as stopper:
            signal.raise_signal(signal.SIGHUP)
            assert stopper.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)
