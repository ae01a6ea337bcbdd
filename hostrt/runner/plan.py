"""How frames become stream messages for one program, and messages become outputs again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.iospec import PACKED_PRECISIONS
from firmware_protocol.packing import pack_elements, pad_elements, unpack_elements
from firmware_protocol.stream import input_messages, split_output_frames
from hostrt.errors import ProgramUnsupported
from hostrt.frames.frames import VectorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from firmware_protocol.iospec import IOSpec, Vector
    from firmware_protocol.words import Words
    from hostrt.frames.frames import Frames
    from hostrt.program.model import Program


@dataclass(frozen=True, slots=True)
class InputPort:
    """Where an input enters the chip."""

    spec: VectorSpec
    pc: int
    core: int
    n_dwords: int


@dataclass(frozen=True, slots=True)
class OutputPort:
    """Where an output leaves the chip."""

    spec: VectorSpec
    mailbox: int
    n_dwords: int


@dataclass(frozen=True, slots=True)
class IoPlan:
    """Inputs and outputs of one program, ready for packing.

    Attributes:
        iospec: sequences included.
        inputs: by name; latched inputs first, as they are sent.
        outputs: by name.
    """

    iospec: IOSpec
    inputs: Mapping[str, InputPort]
    outputs: Mapping[str, OutputPort]

    @property
    def input_specs(self) -> tuple[VectorSpec, ...]:
        """Descriptions of the inputs, latched ones first."""
        return tuple(port.spec for port in self.inputs.values())

    def encode(self, frames: Frames) -> dict[str, Words]:
        """Pack all frames at once.

        Returns:
            Per input uint32 (T, n_words), read-only, each row one message; an input that is sent
            once has a single row.
        """
        messages = {}
        for name, array in frames.items():
            port = self.inputs[name]
            dwords = pack_elements(pad_elements(array, port.spec.precision), port.spec.precision)
            words = input_messages(port.pc, port.core, dwords[:, : port.n_dwords])
            words.flags.writeable = False
            messages[name] = words
        return messages

    def decode(self, words: Words, names: tuple[str, ...]) -> dict[str, NDArray[np.signedinteger]]:
        """Unpack the outputs `names` of many frames.

        Args:
            words: uint32 (T, n), each row all output messages of one frame.
            names: outputs that are in each row.

        Returns:
            Per output int8 or int16 (T, length).

        Raises:
            OutputStatusError: a message says that processing failed.
            OutputLayoutError: a row does not hold exactly these outputs.
        """
        ports = {name: self.outputs[name] for name in names}
        expected = {port.mailbox: port.n_dwords for port in ports.values()}
        dwords = split_output_frames(words, expected)
        return {
            name: np.asarray(
                unpack_elements(dwords[port.mailbox], port.spec.precision, port.spec.length)
            )
            for name, port in ports.items()
        }


def make_plan(program: Program) -> IoPlan:
    """Make the plan of a program.

    Raises:
        ProgramUnsupported: the program has no I/O specification, or one from before compilation,
            or vectors that no message to the chip can hold.
    """
    spec = program.iospec
    if spec is None:
        raise ProgramUnsupported(
            f"{program.source} does not say which inputs and outputs the model has",
            hint="give its I/O specification with --iospec FILE, or put it beside the program as "
            "iospec.yaml",
        )
    latched = frozenset(spec.latched)
    ordered = sorted(spec.inputs.items(), key=lambda item: item[0] not in latched)
    inputs = {
        name: InputPort(
            _vector_spec(program, name, vector, name in latched),
            _placed(program, name, vector.pc),
            vector.core_id or 0,
            vector.words,
        )
        for name, vector in ordered
    }
    outputs = {
        name: OutputPort(
            _vector_spec(program, name, vector, is_latched=False),
            _placed(program, name, vector.mailbox_id),
            vector.words,
        )
        for name, vector in spec.outputs.items()
    }
    mailboxes = [port.mailbox for port in outputs.values()]
    if len(set(mailboxes)) != len(mailboxes):
        raise ProgramUnsupported(
            f"{program.source}: two outputs share one of the mailboxes {mailboxes}"
        )
    if any(n > 1 for sequence in spec.sequences for n in sequence.outputs.values()):
        raise ProgramUnsupported(
            f"{program.source}: a sequence gives an output more than once, which no runner can take"
        )
    return IoPlan(spec, inputs, outputs)


def _vector_spec(program: Program, name: str, vector: Vector, is_latched: bool) -> VectorSpec:
    if vector.precision not in PACKED_PRECISIONS:
        raise ProgramUnsupported(
            f"{program.source}: {name!r} has elements of {vector.precision} bits, expected 8 or 16",
            hint="compile the model: that carries 24 bits as two vectors of 16 bits",
        )
    padded = vector.padded_length if vector.padded_length is not None else vector.length
    return VectorSpec(name, vector.length, padded, vector.precision, is_latched)


def _placed(program: Program, name: str, place: int | None) -> int:
    if place is None:
        raise ProgramUnsupported(
            f"{program.source}: {name!r} has no place on the chip, its I/O specification is from "
            "before compilation",
            hint="give the I/O specification that the compiler wrote with the program",
        )
    return place
