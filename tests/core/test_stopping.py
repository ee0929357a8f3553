"""Signals are noted while a training wants them noted, and do what they always did otherwise."""

import signal
import threading

import pytest

from d2v_core import stopping
from d2v_core.stopping import Stop


@pytest.fixture(autouse=True)
def interruptible():
    """Ctrl-C raises, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_kills_nobody(number):
    with Stop() as stop:
        assert stop.signal == 0
        signal.raise_signal(number)
        signal.raise_signal(number)  # as torchrun and the terminal send it
        assert stop.signal == number


def test_those_who_cannot_wait_ask_again(monkeypatch):
    with Stop() as stop:
        signal.raise_signal(signal.SIGTERM)
        monkeypatch.setattr(stopping, "PATIENCE_SECONDS", -1.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGTERM


def test_what_was_ignored_still_is():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Stop() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == 0


def test_afterwards_signals_do_what_they_did():
    before = [signal.getsignal(number) for number in stopping.ASKING]
    with Stop():
        assert [signal.getsignal(number) for number in stopping.ASKING] != before
    assert [signal.getsignal(number) for number in stopping.ASKING] == before


def test_in_another_thread_nothing_is_noted_and_nothing_breaks():
    before, seen = [signal.getsignal(number) for number in stopping.ASKING], []

    def work():
        with Stop() as stop:
            seen.append(stop.signal)
            seen.append([signal.getsignal(number) for number in stopping.ASKING] == before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [0, True]
