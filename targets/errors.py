"""What can go wrong in this folder; the compiler turns each into its own error for the user."""

from __future__ import annotations


class UnknownTargetName(LookupError):
    """No row or feature has this name; the message offers the nearest ones."""


class UnsupportedHost(UnknownTargetName):
    """``native`` on a machine that no row fits; the message says what is missing."""


class ToolchainError(RuntimeError):
    """The C compiler or linker failed; the message holds its own words."""


class ToolchainNotFound(ToolchainError):
    """The C compiler is not installed or cannot be started."""
