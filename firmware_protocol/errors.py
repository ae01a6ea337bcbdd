"""Errors of the sans-I/O layer.

`FormatError` is for files, `LocalMisuseError` for requests that cannot be expressed on a link and
`RemoteViolationError` for answers that break the rules of a link.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """Root of every error raised by `firmware_protocol`."""


class FormatError(ProtocolError):
    """A file does not have the structure its format demands.

    Attributes:
        file: name of the file or archive member, as given by the caller.
        offset: where the fault is, in bytes from the start (text formats: line, from 1).
        unit: "byte" or "line", what `offset` counts.
        found: what stands there.
        expected: what the format demands there.
    """

    def __init__(
        self, file: str, offset: int | None, found: object, expected: object, *, unit: str = "byte"
    ) -> None:
        self.file = file
        self.offset = offset
        self.unit = unit
        self.found = str(found)
        self.expected = str(expected)
        where = file if offset is None else f"{file}, {unit} {_place(offset, unit)}"
        super().__init__(f"{where}: found {self.found}, expected {self.expected}")


class LocalMisuseError(ProtocolError, ValueError):
    """A request that the link cannot carry: the caller broke the rules."""


class RemoteViolationError(ProtocolError):
    """An answer that breaks the rules of the link: the board broke the rules.

    Attributes:
        request: the request being answered, in words ("write apb 0x00100000").
        found: what came back.
        expected: what the link's rules demand.
    """

    def __init__(self, request: str, found: object, expected: object) -> None:
        self.request = request
        self.found = str(found)
        self.expected = str(expected)
        super().__init__(f"{request}: board answered {self.found}, expected {self.expected}")


class RemoteSilenceError(RemoteViolationError):
    """No answer came before the deadline."""


class RemoteRefusedError(RemoteViolationError):
    """The board answered that it failed or gave up.

    Attributes:
        code: reply code, 11 (error) or 12 (timeout) on the EVK2.
    """

    def __init__(self, request: str, code: int, found: object, expected: object) -> None:
        self.code = code
        super().__init__(request, found, expected)


class OutOfStepError(RemoteViolationError):
    """A reply that belongs to no outstanding request: host and board lost count."""


class OutputLayoutError(RemoteViolationError):
    """Output messages with an unknown or repeated mailbox, or of the wrong length."""


class OutputStatusError(RemoteViolationError):
    """An output message says that processing failed.

    Attributes:
        mailbox: which output.
        status: low half of its header.
    """

    def __init__(self, mailbox: int, status: int, expected: int) -> None:
        self.mailbox = mailbox
        self.status = status
        super().__init__(
            f"output message of mailbox {mailbox}", f"status 0x{status:x}", f"0x{expected:x}"
        )


def _place(offset: int, unit: str) -> str:
    return f"0x{offset:x}" if unit == "byte" else str(offset)
