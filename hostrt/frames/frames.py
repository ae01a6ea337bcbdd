"""Input frames: three ways to write them, one checked form.

A caller may give one (T, L) array (a model with one input), a mapping of arrays, or a list with
one mapping per frame. `normalize_inputs` turns each into `Frames`: per input one contiguous integer
array with the frame axis first, padded with zeros to the length that the board expects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hostrt.errors import FrameError

type_of_precision: Mapping[int, type[np.signedinteger]] = {8: np.int8, 16: np.int16, 24: np.int32}


@dataclass(frozen=True, slots=True)
class VectorSpec:
    """What one input or output vector looks like.

    Attributes:
        name: name by which frames address it.
        length: elements that the model uses.
        padded_length: elements that travel to the board, at least `length`.
        precision: bits per element, 8, 16 or 24, signed; 24 has no packed form.
        is_latched: the board keeps the value; it triggers no computation.
    """

    name: str
    length: int
    padded_length: int
    precision: int
    is_latched: bool = False

    def __post_init__(self) -> None:
        if self.precision not in type_of_precision:
            raise FrameError(
                f"input {self.name!r}: precision {self.precision} bits, expected 8, 16 or 24"
            )
        if not 0 < self.length <= self.padded_length:
            raise FrameError(
                f"input {self.name!r}: length {self.length}, "
                f"expected 1..{self.padded_length} (the padded length)"
            )

    @property
    def dtype(self) -> np.dtype[np.signedinteger]:
        """Element type: int8, int16, or int32 for 24 bits."""
        return np.dtype(type_of_precision[self.precision])

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest element."""
        half = 1 << (self.precision - 1)
        return -half, half - 1


Frame = Mapping[str, ArrayLike]
FrameInputs = ArrayLike | Mapping[str, ArrayLike] | Sequence[Frame]


@dataclass(frozen=True, slots=True, eq=False)
class Frames(Mapping[str, NDArray[np.signedinteger]]):
    """Checked input frames; immutable.

    As a mapping it gives what is sent: name -> read-only (T, padded_length) array of the input's
    type.
    A latched input that holds one value for the whole run has the shape (1, padded_length).

    Attributes:
        n_frames: T, the number of frames.
        specs: description of each input, in sending order (latched inputs first).
    """

    n_frames: int
    specs: tuple[VectorSpec, ...]
    _arrays: Mapping[str, NDArray[np.signedinteger]] = field(repr=False)

    def __getitem__(self, name: str) -> NDArray[np.signedinteger]:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    @property
    def latched(self) -> frozenset[str]:
        """Names of the latched inputs."""
        return frozenset(spec.name for spec in self.specs if spec.is_latched)

    def is_sent_once(self, name: str) -> bool:
        """Whether a latched input holds one value, sent before the first frame only."""
        return name in self.latched and len(self._arrays[name]) == 1

    def logical(self, name: str) -> NDArray[np.signedinteger]:
        """Give one input without its padding: read-only (T, length) view."""
        length = next(spec.length for spec in self.specs if spec.name == name)
        return self._arrays[name][:, :length]

    def at(self, index: int) -> dict[str, NDArray[np.signedinteger]]:
        """Give the vectors to send for one frame, each (padded_length,), latched ones first.

        Raises:
            FrameError: no such frame.
        """
        if not 0 <= index < self.n_frames:
            raise FrameError(f"frame {index}, expected 0..{self.n_frames - 1}")
        return {
            name: array[0 if self.is_sent_once(name) else index]
            for name, array in self._arrays.items()
            if index == 0 or not self.is_sent_once(name)
        }

    def cut(self, low: int, high: int) -> Frames:
        """Keep the frames low..high-1.

        Raises:
            FrameError: the range is empty or not inside the frames.
        """
        if not 0 <= low <= high <= self.n_frames:
            raise FrameError(
                f"frames {low}..{high} asked for, expected a range inside 0..{self.n_frames}"
            )
        arrays = {
            name: array if self.is_sent_once(name) else array[low:high]
            for name, array in self._arrays.items()
        }
        return Frames(high - low, self.specs, arrays)


def frame_length(inputs: FrameInputs) -> int | None:
    """Give the number of elements per frame of a single input; None when that cannot be told."""
    first: object = inputs
    if isinstance(inputs, Sequence) and inputs and isinstance(inputs[0], Mapping):
        first = inputs[0]
    if isinstance(first, Mapping):
        if len(first) != 1:
            return None
        (first,) = first.values()
    try:
        shape = np.asarray(first).shape
    except ValueError:  # frames of different lengths; `normalize_inputs` says which
        return None
    return int(shape[-1]) if shape else None


def normalize_inputs(
    inputs: FrameInputs,
    specs: Sequence[VectorSpec],
    *,
    latched_may_be_absent: bool = False,
    first_frame: int = 0,
) -> Frames:
    """Check input frames and bring them into one form.

    Args:
        inputs: (T, L) array for a model with one input; mapping name -> (T, L), latched inputs also
            (L,); or a sequence of mappings name -> (L,), where a latched input keeps its last
            value in frames that do not name it. L is 1..padded_length; what is missing is zero.
            Integers, or floats whose values are integers.
        specs: the model's inputs.
        latched_may_be_absent: accept that latched inputs are not given at all.
        first_frame: number of the first frame in messages, for one block of many.

    Raises:
        FrameError: wrong names, shapes, types, values or numbers of frames.
    """
    columns = _columns(inputs, specs)
    absent_ok = {spec.name for spec in specs if spec.is_latched and latched_may_be_absent}
    _check_names(columns, specs, absent_ok)
    used = sorted(
        (spec for spec in specs if spec.name in columns), key=lambda spec: not spec.is_latched
    )
    arrays = {spec.name: _normalize_one(columns[spec.name], spec, first_frame) for spec in used}
    return Frames(_count_frames(arrays, used), tuple(used), arrays)


def _columns(inputs: FrameInputs, specs: Sequence[VectorSpec]) -> dict[str, NDArray[np.generic]]:
    if isinstance(inputs, Mapping):
        return {str(name): as_array(value, str(name)) for name, value in inputs.items()}
    if isinstance(inputs, Sequence) and any(isinstance(item, Mapping) for item in inputs):
        return _columns_of_list(inputs, specs)
    if isinstance(inputs, Sequence) and not inputs:
        return {spec.name: np.zeros((0, spec.length), spec.dtype) for spec in specs}
    wanted = [spec for spec in specs if not spec.is_latched]
    if len(wanted) != 1 or len(specs) != 1:
        names = ", ".join(spec.name for spec in specs) or "none"
        raise FrameError(
            f"one array given, expected a mapping: the model's inputs are {names}",
            hint="give {name: array}",
        )
    return {wanted[0].name: as_array(inputs, wanted[0].name)}


def as_array(value: object, name: str) -> NDArray[np.generic]:
    """Turn one input's value into an array; nested sequences must not be ragged.

    Raises:
        FrameError: the value is ragged.
    """
    if isinstance(value, np.ndarray):
        return value
    try:
        return np.asarray(value)
    except ValueError as error:
        raise FrameError(
            f"input {name!r}: rows of different lengths, expected a rectangular (frames, elements)"
        ) from error


def _columns_of_list(
    frames: Sequence[object], specs: Sequence[VectorSpec]
) -> dict[str, NDArray[np.generic]]:
    # asking each type once, not each frame, keeps long lists fast
    wrong = {kind for kind in set(map(type, frames)) if not issubclass(kind, Mapping)}
    if wrong:
        index = next(index for index, frame in enumerate(frames) if type(frame) in wrong)
        raise FrameError(
            f"frame {index}: found {type(frames[index]).__name__}, expected a mapping of inputs"
        )
    given = cast("Sequence[Frame]", frames)
    names = dict.fromkeys(chain.from_iterable(given))
    latched = {spec.name for spec in specs if spec.is_latched}
    return {name: _stack(given, name, hold=name in latched) for name in names}


def _stack(frames: Sequence[Frame], name: str, *, hold: bool) -> NDArray[np.generic]:
    quick = None if hold else _stack_alike(frames, name)
    if quick is not None:
        return quick
    rows: list[NDArray[np.generic]] = []
    repeats = True
    for index, frame in enumerate(frames):
        if name in frame:
            row = as_array(frame[name], name)
            repeats = repeats and index == 0
        elif hold and rows:
            row = rows[-1]
        else:
            raise FrameError(f"frame {index}: input {name!r} is missing")
        if row.ndim != 1 or (rows and row.shape != rows[0].shape):
            expected = f"{rows[0].shape}" if rows else "(L,)"
            raise FrameError(
                f"frame {index}: input {name!r} has shape {row.shape}, expected {expected}"
            )
        rows.append(row)
    if hold and repeats:
        return rows[0]
    return np.concatenate(rows).reshape(len(rows), rows[0].size)


def _stack_alike(frames: Sequence[Frame], name: str) -> NDArray[np.generic] | None:
    """Stack rows that are arrays of one shape; None when something needs a closer look."""
    rows = [frame.get(name) for frame in frames]
    if {type(row) for row in rows} != {np.ndarray}:
        return None
    arrays = cast("list[NDArray[np.generic]]", rows)
    shapes = {row.shape for row in arrays}
    if len(shapes) != 1 or arrays[0].ndim != 1:
        return None
    return np.concatenate(arrays).reshape(len(arrays), arrays[0].size)


def _check_names(
    columns: Mapping[str, object], specs: Sequence[VectorSpec], absent_ok: set[str]
) -> None:
    known = [spec.name for spec in specs]
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise FrameError(
            f"unknown input {unknown[0]!r}, the model's inputs are {', '.join(known) or 'none'}"
        )
    missing = [name for name in known if name not in columns and name not in absent_ok]
    if missing:
        raise FrameError(f"input {missing[0]!r} is missing")


def _normalize_one(
    array: NDArray[np.generic], spec: VectorSpec, first_frame: int
) -> NDArray[np.signedinteger]:
    if spec.is_latched and array.ndim == 1:
        array = array[np.newaxis]
    if array.ndim != 2:
        hint = "add the frame axis: x[np.newaxis]" if array.ndim == 1 else ""
        raise FrameError(
            f"input {spec.name!r}: shape {array.shape}, expected (frames, {spec.length})", hint=hint
        )
    n_frames, length = array.shape
    if n_frames and not 0 < length <= spec.padded_length:
        allowed = "" if spec.padded_length == spec.length else f" (up to {spec.padded_length})"
        raise FrameError(
            f"input {spec.name!r}: frames of {length} elements, expected {spec.length}{allowed}"
        )
    if array.dtype != spec.dtype and array.size:
        _check_integers(array, spec, first_frame)
    result = np.zeros((n_frames, spec.padded_length), spec.dtype)
    if n_frames:
        result[:, :length] = array
    result.flags.writeable = False
    return result


def _check_integers(array: NDArray[np.generic], spec: VectorSpec, first_frame: int) -> None:
    if array.dtype.kind == "f":
        _check_whole(array, spec, first_frame)
    elif array.dtype.kind not in "iu":
        raise FrameError(f"input {spec.name!r}: elements of type {array.dtype}, expected integers")
    low, high = spec.limits
    numbers = array.view(np.ndarray)
    if float(numbers.min()) < low or float(numbers.max()) > high:
        where = np.argwhere(~((array >= low) & (array <= high)))[0]  # type: ignore[operator]
        raise _bad_element(array, spec, where, f"{low}..{high}", first_frame)


def _check_whole(array: NDArray[np.generic], spec: VectorSpec, first_frame: int) -> None:
    floats = np.asarray(array, dtype=array.dtype)
    with np.errstate(invalid="ignore"):
        bad = ~(np.floor(floats) == floats) | np.isinf(floats)
    if bad.any():
        where = np.argwhere(bad)[0]
        raise _bad_element(array, spec, where, "an integer", first_frame)


def _bad_element(
    array: NDArray[np.generic],
    spec: VectorSpec,
    where: NDArray[np.intp],
    expected: str,
    first_frame: int,
) -> FrameError:
    found = array[tuple(where)]
    frame, element = first_frame + int(where[0]), int(where[1])
    hint = "quantize floats first" if array.dtype.kind == "f" else ""
    return FrameError(
        f"input {spec.name!r}, frame {frame}, element {element}: found {found}, "
        f"expected {expected}",
        hint=hint,
        input=spec.name,
        frame=frame,
        element=element,
    )


def _count_frames(
    arrays: Mapping[str, NDArray[np.signedinteger]], specs: Sequence[VectorSpec]
) -> int:
    counts = {
        spec.name: len(arrays[spec.name])
        for spec in specs
        if not (spec.is_latched and len(arrays[spec.name]) == 1)
    }
    if not counts:
        return 1 if arrays else 0
    first, n_frames = next(iter(counts.items()))
    for name, count in counts.items():
        if count != n_frames:
            raise FrameError(
                f"input {name!r} has {count} frames and input {first!r} {n_frames}, "
                "expected the same number"
            )
    return n_frames
