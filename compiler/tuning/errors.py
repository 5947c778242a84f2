"""What can go wrong while tuning; each message says what, where and what to do, as those of the compiler do."""

from __future__ import annotations

from separable.compiler.errors import CompileError


class TuningError(CompileError):
    """Base of the errors of tuning."""


class DeviceLost(TuningError):
    """The device failed (not the program that ran on it): it died, froze, hung up or broke the protocol.

    Attributes:
        device: the name of the device, empty where it is not known.
    """

    def __init__(self, message: str, device: str = "") -> None:
        self.device = device
        super().__init__(message)


class TrackerUnreachable(TuningError):
    """Nothing answers at the tracker's address, or what answers is no tracker."""


class NoDevice(TuningError):
    """No device is registered, free or fit for use."""


class InvalidRecord(TuningError):
    """A line of a records file is malformed; the message names file and line."""


class AgentError(TuningError):
    """The agent cannot be built, brought onto a device or started."""
