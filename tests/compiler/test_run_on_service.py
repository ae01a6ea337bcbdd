"""`hostrt run` with models that the vendor's service compiles and simulates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from hostrt import compare
from hostrt.cli.main import main
from hostrt.compiler.base import CompileOptions
from hostrt.compiler.femtocrux import FemtocruxCompiler
from hostrt.fqir.iospec import infer_iospec
from hostrt.runner.fqir import FqirRunner
from hostrt.runner.service import ServiceRunner
from tests.compiler.conftest import GOLDEN, golden

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.compiler.service import Service


def test_the_services_simulator_is_the_fasmir_runner(
    service: Callable[..., Service], capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        [
            "run", str(GOLDEN / "mlp_int4" / "model.pt"), "--runners", "fasmir,fqir",
            "--compiler", "femtocrux", "--compiler-address", service().address,
            "--n-frames", "5", "--input-style", "random", "--json",
        ]
    )  # fmt: skip
    tree = json.loads(capsys.readouterr().out)
    assert code == 0, tree
    assert tree["equal"]
    assert tree["runners"]["fasmir"]["provenance"]["settings"]["compiler"].startswith("femtocrux")
    assert tree["runners"]["fasmir"]["metrics"]["simulation"]["service"]


def test_steps_and_runs_of_the_service_are_those_of_the_graph(
    service: Callable[..., Service],
) -> None:
    model = golden("mlp_int4")
    (length,) = model.arith.inputs[0].shape
    frames = np.random.default_rng(0).integers(-128, 128, (4, length)).astype(np.int8)
    options = CompileOptions(iospec=infer_iospec(model))
    with FemtocruxCompiler(address=service().address) as compiler:
        compiled = compiler.compile(model, options)
        with ServiceRunner(compiled, model, compiler, options) as runner:
            result = runner.run(frames)
            runner.reset()
            steps = [runner.step({model.arith.inputs[0].name: frame}) for frame in frames]
    compare(FqirRunner(model).run(frames), result).raise_if_different()
    for name, array in result.outputs.items():
        assert np.array_equal(np.stack([step[name] for step in steps]), array)


def test_flags_of_the_other_compiler_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    model = str(GOLDEN / "mlp_int4" / "model.pt")
    words = ["run", model, "--runners", "fasmir", "--n-frames", "1"]
    assert main([*words, "--compiler-address", "127.0.0.1:1"]) == 2
    assert "femtocrux" in capsys.readouterr().err
    assert main([*words, "--compiler", "femtocrux", "--cores", "2"]) == 2
    assert "open compiler" in capsys.readouterr().err
