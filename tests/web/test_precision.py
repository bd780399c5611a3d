import pytest

from service.domain.slis import Interval
from service.web.precision import decimals, percent_with


@pytest.mark.parametrize(
    ("lower", "value", "upper", "written"),
    [
        (0.79, 0.80, 0.81, "80.0 % (79.0 % to 81.0 %)"),
        (0.9980, 0.9982, 0.9984, "99.820 % (99.800 % to 99.840 %)"),
        (0.95, 0.99, 0.9998, "99.00 % (95.00 % to 99.98 %)"),
        (0.9, 1.0, 1.0, "100 % (90.0 % to 100 %)"),
        (-0.7, -0.5, -0.25, "−50.0 % (−70.0 % to −25.0 %)"),
    ],
)
def test_a_share_has_the_decimals_of_its_interval(
    lower: float, value: float, upper: float, written: str
) -> None:
    digits = decimals(Interval(lower, upper), value)
    shown = [percent_with(share, digits) for share in (value, lower, upper)]
    assert "{} ({} to {})".format(*shown) == written
