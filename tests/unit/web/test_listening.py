"""Taking a port: the second taker is told at once."""

import pytest

from common.errors import Misconfigured
from common.http import listen


def test_two_that_start_together_cannot_both_take_a_port() -> None:
    """Also before either of them serves."""
    with listen("127.0.0.1", 0, "FRONTLINE_API_PORT") as first:
        port = first.getsockname()[1]
        with pytest.raises(Misconfigured, match="change FRONTLINE_API_PORT"):
            listen("127.0.0.1", port, "FRONTLINE_API_PORT")
