"""Reports joined to bursts: the quick way for few reports and the one for many agree."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocol.evk2 import REPORT_WORDS, ReportColumns
from hostrt.sim import evk2

LENGTHS = st.integers(0, REPORT_WORDS)


@st.composite
def runs(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Give (address, length) of reports of which many follow the one before."""
    reports: list[tuple[int, int]] = []
    for follows in draw(st.lists(st.booleans(), min_size=1, max_size=40)):
        if reports and follows:
            address = reports[-1][0] + 4 * reports[-1][1]
        else:
            address = 4 * draw(st.integers(0, 20))
        reports.append((address, draw(LENGTHS)))
    return reports


def joined(reports: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Say it again, report by report."""
    bursts: list[tuple[int, int, int]] = []
    word = 0
    for i, (address, length) in enumerate(reports):
        if i and address == reports[i - 1][0] + 4 * reports[i - 1][1]:
            bursts[-1] = (*bursts[-1][:2], word + length)
        else:
            bursts.append((address, word, word + length))
        word += length
    return bursts


@given(runs())
def test_bursts_are_those_of_a_plain_loop(reports: list[tuple[int, int]]) -> None:
    addresses, lengths = zip(*reports, strict=True)
    few = evk2._few_bursts(list(addresses), list(lengths))
    columns = ReportColumns(
        command=np.zeros(len(reports), np.uint8),
        length=np.array(lengths, np.uint16),
        address=np.array(addresses, np.uint32),
        words=np.zeros((len(reports), REPORT_WORDS), np.uint32),
    )

    assert few == evk2._many_bursts(columns) == evk2._bursts(columns) == joined(reports)
