"""A whole frame: messages in, the plan, messages out, the state of the next frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firmware_protocol.open_isa_ops import Op, Type
from hostrt.fasmir.assembly import Role
from hostrt.fasmir.lower_control import copy_all
from hostrt.fasmir.lower_draft import Mailbox, ThreadDraft, ThreadUse, View
from hostrt.fasmir.lower_vectors import copy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostrt.fasmir.lower import Lowering
    from hostrt.fqir.plan.ir import State


@dataclass(frozen=True, slots=True)
class Port:
    """A message from or to the host.

    Attributes:
        name: of the vector.
        value: what it carries.
        kind: type of its elements.
        latched: whether it only keeps its value for frames to come.
    """

    name: str
    value: int
    kind: Type
    latched: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """What became of the messages and of what is watched.

    Attributes:
        labels: where each input's thread begins, by position.
        n_words: of each input, by position.
        out_words: words of each output, by position.
        watched: name -> where it is after a frame.
    """

    labels: tuple[str, ...]
    n_words: tuple[int, ...]
    out_words: tuple[int, ...]
    watched: dict[str, View]


def lower_frame(low: Lowering, inputs: Sequence[Port], outputs: Sequence[Port]) -> Frame:
    """Lower a plan and everything around it to core 0."""
    states = _slots(low)
    labels, n_words = _receive(low, inputs)
    low.block(low.plan.body)
    out_words = tuple(_send(low, number, port) for number, port in enumerate(outputs))
    watched = {}
    for name, value in low.plan.watched.items():
        size, kind = low.value(value).size, low.view(value).type
        watched[name] = low.draft.view(f"{name}.watched", kind, size, Role.STATE)
        copy(low.draft, low.view(value), watched[name])
    low.draft.comment = "state of the next frame" if states else ""
    copy_all(low, [(low.view(state.next), place) for state, place in states])
    low.team.join()
    low.draft.comment = "the frame ends"
    low.draft.emit(Op.HALT)
    return Frame(labels, n_words, out_words, watched)


def _slots(low: Lowering) -> list[tuple[State, View]]:
    """Give every state slot its place, with its content after a reset."""
    found = []
    for state in low.plan.states:
        size = low.value(state.read).size
        content = np.zeros(size + low.spare.get(state.read, 0), np.int64)
        content[:size] = state.initial.reshape(-1)
        kind = low.kinds.of(state.read)
        buffer = low.draft.buffer(
            state.name, kind, content.size, Role.STATE, initial=content, comment=state.name
        )
        low.bind(state.read, View(buffer, 0, size))
        found.append((state, View(buffer, 0, size)))
    return found


def _receive(low: Lowering, inputs: Sequence[Port]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Make the thread of every input; the last one, or one they all signal, goes on."""
    draft = low.draft
    labels, n_words = [draft.label(f"in.{port.name}") for port in inputs], []
    leading = [number for number, port in enumerate(inputs) if not port.latched]
    thread = ThreadUse(draft.names.take("frame")) if len(leading) > 1 else None
    # those that do not go on come first
    order = sorted(range(len(inputs)), key=lambda number: number in leading)
    for number in order:
        port = inputs[number]
        size = low.value(port.value).size
        words = -(-size // port.kind.lanes)
        role = Role.STATE if port.latched else Role.TEMPORARY
        view = draft.view(port.name, port.kind, size, role)
        low.bind(port.value, view)
        draft.mark(labels[number])
        draft.comment = f"input {port.name}"
        draft.emit(Op.RECV, n=words, a=view.place)
        n_words.append((number, words))
        if port.latched:
            draft.emit(Op.HALT)
        elif thread is not None:
            draft.emit(Op.SIGNAL, b=thread)
            draft.emit(Op.HALT)
    draft.close_region(0)
    if thread is not None:
        label = draft.label("frame")
        draft.mark(label)
        draft.threads.append(ThreadDraft(thread.name, label, len(leading)))
    return tuple(labels), tuple(words for _, words in sorted(n_words))


def _send(low: Lowering, number: int, port: Port) -> int:
    """Send an output; lanes behind its last element are zeros."""
    content = low.value(port.value).constant
    view = low.view(port.value) if content is None else low.constant(content, port.name, port.kind)
    words = -(-view.length // port.kind.lanes)
    whole = view.length % port.kind.lanes == 0 or content is not None
    if view.type is not port.kind or not view.is_aligned or not whole:
        key = ("message", view, port.kind)
        known = low.find_copy(key)
        if known is None:
            role = Role.TEMPORARY if whole else Role.STATE
            known = low.draft.view(port.name, port.kind, view.length, role)
            copy(low.draft, view, known)
            low.keep_copy(key, known)
        view = known
    low.draft.comment = f"output {port.name}"
    low.draft.emit(Op.SEND, n=words, a=view.place, b=Mailbox(port.name, number))
    return words
