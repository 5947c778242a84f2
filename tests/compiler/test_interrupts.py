from __future__ import annotations

import signal
import threading

import pytest

from separable.compiler.interrupts import interrupt_later


def test_an_interrupt_waits_for_the_end() -> None:
    done = []

    def block() -> None:
        with interrupt_later():
            signal.raise_signal(signal.SIGINT)
            done.append("the block")
        done.append("what comes after it")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == ["the block"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_errors_come_through() -> None:
    with pytest.raises(ValueError, match="mine"), interrupt_later():
        raise ValueError("mine")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_ignores_interrupts_still_does() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupt_later():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_are_not_concerned() -> None:
    def run() -> None:
        with interrupt_later():
            entered.append(signal.getsignal(signal.SIGINT))

    entered: list[object] = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert entered == [signal.default_int_handler]
