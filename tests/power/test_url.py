from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostrt.errors import UsageError
from hostrt.power.base import meters, open_meter
from hostrt.power.url import parse_meter


def test_parts_of_an_address() -> None:
    url = parse_meter("ppk2:///dev/ttyACM1?voltage=1800&mode=source")

    assert (url.scheme, url.host, url.path) == ("ppk2", "", "/dev/ttyACM1")
    assert url.options == {"voltage": "1800", "mode": "source"}
    assert parse_meter("joulescope://js220-000415").host == "js220-000415"
    assert parse_meter("SIM").scheme == "sim"


def test_the_built_in_meters_are_registered() -> None:
    assert {"joulescope", "ppk2", "sim"} <= set(meters())


@pytest.mark.parametrize(
    ("address", "said", "hint"),
    [
        ("ppk3:///dev/ttyACM1", "no kind of meter 'ppk3'", "did you mean 'ppk2'"),
        ("voltmeter", "no kind of meter 'voltmeter'", "known: joulescope, ppk2, sim"),
        ("", "no kind of meter ''", "known: joulescope"),
        ("ppk2://[::1", "invalid ipv6", "KIND://SERIAL"),
        ("sim://?idel_w=1", "no option 'idel_w' for sim", "did you mean 'idle_w'"),
        ("sim://?idle_w=much", "expected a number 0..1000", ""),
        ("sim://?idle_w=nan", "expected a number 0..1000", ""),
        ("sim://?idle_w=", "expected a number 0..1000", ""),
        ("sim://?rate_hz=0", "expected a number 1..1e", ""),
        ("sim://desk", "has no place", ""),
    ],
)
def test_what_makes_no_sense_is_said(address: str, said: str, hint: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        open_meter(address)

    assert hint in caught.value.hint


@settings(deadline=None)
@given(st.text(max_size=30) | st.builds("sim://{}".format, st.text(max_size=30)))
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    try:
        url = parse_meter(text)
    except UsageError:
        return
    assert url.scheme in meters()
