"""What the instructions of the virtual machine do: copies, frames, jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostrt.fqir.plan.vm_codes import LANES

if TYPE_CHECKING:
    from hostrt.fqir.plan.vm_ir import Area, Kernel, Number


def _copy(k: Kernel, out: Area, x: Area, n: Number) -> None:
    """Copy exactly `n` elements, to any size."""
    whole = n & -LANES
    with k.loop(whole, LANES) as i:
        out[i] = x.get(i, LANES).to(out.bits)
    with k.loop(n - whole) as i:
        out[whole + i] = x[whole + i].to(out.bits)


def rows(k: Kernel, kinds: tuple[int, int]) -> None:
    """Copy rows."""
    out, x, n = k.place(kinds[0], "out"), k.place(kinds[1], "x"), k.field("n")
    step_out, step_x = k.field("step_out"), k.field("step_x")
    with k.loop(k.field("rows")) as row:
        _copy(k, out.at(row * step_out), x.at(row * step_x), n)
    k.go_on()


def pick(k: Kernel, kinds: tuple[int, int]) -> None:
    """Pick elements by their numbers."""
    out, x, index = k.place(kinds[0], "out"), k.place(kinds[1], "x"), k.place(32, "index")
    none = k.number(0, kinds[1])
    with k.loop(k.field("n")) as i:
        at = index[i].to(64)
        inside = at.greater_equal(0)
        found = inside.choose(x[inside.choose(at, k.number(0))], none)
        out[i] = found.to(kinds[0])
    k.go_on()


def take_input(k: Kernel, bits: int) -> None:
    """Take one frame of an input."""
    n = k.field("n")
    _copy(k, k.place(bits, "out"), k.frame(k.field("number"), n), n)
    k.go_on()


def give_output(k: Kernel, bits: int) -> None:
    """Give one frame of an output."""
    n = k.field("n")
    _copy(k, k.frame(k.field("number"), n), k.place(bits, "x"), n)
    k.go_on()


def block(k: Kernel, bits: int) -> None:
    """Copy a block whose place depends on the iteration."""
    turn = k.place(64, "k")[k.number(0)]
    out = k.place(bits, "out").at(turn * k.field("move_out"))
    _copy(k, out, k.place(bits, "x").at(turn * k.field("move_x")), k.field("n"))
    k.go_on()


# ---------------------------------------------------------------------- control


def count(k: Kernel) -> None:
    """Count frames."""
    m64, n = k.area(64), k.field("n")
    now = m64[k.field("counter")].mod(n)
    m64[k.field("test")] = now.equal(k.field("k")).extended(64)
    m64[k.field("next")] = (now + 1).mod(n)
    k.go_on()


def jump(k: Kernel) -> None:
    """Go on elsewhere."""
    k.jump_if(k.number(1, 1), k.field("target"))


def jump_unless(k: Kernel, bits: int) -> None:
    """Go on elsewhere if an element is 0."""
    k.jump_if(k.place(bits, "x")[k.number(0)].equal(0), k.field("target"))


def start(k: Kernel) -> None:
    """Begin a loop."""
    k.area(64)[k.field("k")] = k.number(0)
    k.go_on()


def repeat(k: Kernel) -> None:
    """Go on with the next iteration."""
    turn = k.place(64, "k")
    turn[k.number(0)] = turn[k.number(0)] + 1
    k.jump_if(k.number(1, 1), k.field("target"))


def leave(k: Kernel) -> None:
    """Go on elsewhere if this is the last iteration."""
    k.jump_if(k.place(64, "k")[k.number(0)].equal(k.field("last")), k.field("target"))
