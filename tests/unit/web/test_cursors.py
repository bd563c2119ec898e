"""Keyset cursors come back as they went out, and nothing else is let in."""

from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from common.errors import InvalidInput
from common.web.cursors import decode_cursor, encode_cursor
from common.web.models import Moment


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.uuids(),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
)
def test_round_trip(at: datetime, identifier: UUID, name: str) -> None:
    """Every sort key survives."""
    assert decode_cursor(encode_cursor(at, identifier, name), datetime, UUID, str) == (at, identifier, name)


@given(st.text())
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    """Nothing but InvalidInput comes out of nonsense."""
    with suppress(InvalidInput):
        decode_cursor(text, int)


@pytest.mark.parametrize(
    "cursor",
    [encode_cursor(1, 2), encode_cursor("a"), encode_cursor(2**63), encode_cursor(datetime(2026, 1, 1)), ""],  # noqa: DTZ001 - a time without zone must be refused
)
def test_cursors_of_other_lists_are_refused(cursor: str) -> None:
    """Wrong count, wrong type, too large for the database, no zone."""
    with pytest.raises(InvalidInput):
        decode_cursor(cursor, int)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00"])
def test_a_moment_that_there_is_not_in_utc_is_refused(moment: str) -> None:
    """As a cursor, or in a request."""
    with pytest.raises(InvalidInput):
        decode_cursor(encode_cursor(datetime.fromisoformat(moment)), datetime)
    with pytest.raises(ValidationError):
        TypeAdapter(Moment).validate_python(moment)


def test_the_first_and_last_moments_are_taken() -> None:
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00"):
        at = TypeAdapter(Moment).validate_python(moment)
        assert decode_cursor(encode_cursor(at), datetime) == (at,)


def test_no_cursor_is_the_beginning() -> None:
    """None stays None."""
    assert decode_cursor(None, int) is None
