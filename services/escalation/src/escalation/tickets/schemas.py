"""The body of a match rule over tickets, for the policies of higher slices."""

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from common.match import MatchRule

_MAX_CONDITIONS = 20
_MAX_WHOLE = 2**53
_Text = Annotated[str, Field(max_length=200)]
_Whole = Annotated[StrictInt, Field(ge=-_MAX_WHOLE, le=_MAX_WHOLE)]
_Operand = _Text | _Whole | Annotated[list[_Text | _Whole], Field(max_length=100)]
_Condition = Annotated[dict[Literal["eq", "in", "gte"], _Operand], Field(min_length=1, max_length=3)]
Match = Annotated[
    dict[Annotated[str, Field(max_length=50)], _Condition],
    Field(max_length=_MAX_CONDITIONS, description="all conditions must hold: {field: {eq | in | gte: value}}"),
]
MatchShown = dict[str, dict[str, str | int | list[str | int]]]


def rule_of(match: Match) -> MatchRule:
    """The rule as use cases take it."""
    return {name: {str(operator): operand for operator, operand in each.items()} for name, each in match.items()}
