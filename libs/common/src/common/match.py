"""Match rules: `{field: {"eq" | "in" | "gte": value}}`, all conditions ANDed. Shared by desks, policies, protocols."""

from collections.abc import Mapping, Sequence
from typing import cast

from common.errors import InvalidInput

OPERATORS = frozenset({"eq", "in", "gte"})
MatchRule = Mapping[str, Mapping[str, object]]


def check_rule(rule: MatchRule, fields: frozenset[str]) -> None:
    """Refuse a rule that names an unknown field or operator, or gives `in` something other than a list.

    Raises:
        InvalidInput: with a pointer to each fault.
    """
    faults: list[tuple[str, str]] = []
    for name, condition in rule.items():
        if name not in fields:
            faults.append((f"/{name}", f"unknown field; known are {', '.join(sorted(fields))}"))
        for operator, operand in condition.items():
            if operator not in OPERATORS:
                faults.append((f"/{name}/{operator}", "unknown operator; known are eq, gte, in"))
            elif operator == "in" and not isinstance(operand, list):
                faults.append((f"/{name}/in", "must be a list"))
            elif operator == "gte" and not isinstance(operand, int | float):
                faults.append((f"/{name}/gte", "must be a number"))
    if faults:
        raise InvalidInput("the match rule cannot be used", pointers=faults)


def matches(rule: MatchRule, facts: Mapping[str, object]) -> bool:
    """Whether every condition holds; an empty rule matches everything. A list fact matches if any element does."""
    return all(
        _holds(operator, operand, facts.get(name))
        for name, condition in rule.items()
        for operator, operand in condition.items()
    )


def _holds(operator: str, operand: object, fact: object) -> bool:
    if isinstance(fact, list | tuple):
        return any(_holds(operator, operand, element) for element in cast("Sequence[object]", fact))
    match operator:
        case "eq":
            return fact == operand
        case "in":
            return isinstance(operand, list) and fact in operand
        case _:
            return isinstance(fact, int | float) and isinstance(operand, int | float) and fact >= operand
