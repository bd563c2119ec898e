"""Routes of survey policies."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response

from common.web import (
    CurrentConnection,
    CurrentTransaction,
    IdempotencyKey,
    Page,
    ReadRoute,
    TransactionalRoute,
    needs_scope,
)
from feedback.policies import usecases
from feedback.policies.schemas import AddPolicyBody, PolicyShown, RulesBody, show_policy

READ = needs_scope("feedback:read")
WRITE = needs_scope("feedback:write")
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]

reads = APIRouter(prefix="/v1/survey-policies", route_class=ReadRoute, tags=["survey policies"])
commands = APIRouter(prefix="/v1/survey-policies", route_class=TransactionalRoute, tags=["survey policies"])


@reads.get("", dependencies=[READ])
async def list_survey_policies(connection: CurrentConnection) -> Page[PolicyShown]:
    """All policies with their versions."""
    return Page(items=[show_policy(each) for each in await usecases.list_policies(connection)])


@reads.get("/{policy_id}", dependencies=[READ])
async def get_survey_policy(policy_id: UUID, connection: CurrentConnection) -> PolicyShown:
    """One policy with its versions."""
    return show_policy(await usecases.get_policy(connection, policy_id))


@commands.post("", status_code=201, dependencies=[WRITE])
async def add_survey_policy(
    command: AddPolicyBody, tx: CurrentTransaction, _key: IdempotencyKey, response: Response
) -> PolicyShown:
    """Make a policy. Its first version is a draft until it is activated."""
    policy = await usecases.add_policy(tx, name=command.name, kind=command.kind, rules=command.rules())
    response.headers["location"] = f"/v1/survey-policies/{policy.policy_id}"
    return show_policy(policy)


@commands.post("/{policy_id}/versions", status_code=201, dependencies=[WRITE])
async def add_survey_policy_version(policy_id: UUID, command: RulesBody, tx: CurrentTransaction) -> PolicyShown:
    """Make the next version, a draft: like the newest one but for what is given."""
    return show_policy(await usecases.add_version(tx, policy_id, command.changes()))


@commands.post("/{policy_id}/versions/{number}/activate", dependencies=[WRITE])
async def activate_survey_policy_version(policy_id: UUID, number: Number, tx: CurrentTransaction) -> PolicyShown:
    """Put a version in force and retire the former one. Surveys that are planned already keep their version."""
    return show_policy(await usecases.activate(tx, policy_id, number))


@commands.post("/{policy_id}/versions/{number}/retire", dependencies=[WRITE])
async def retire_survey_policy_version(policy_id: UUID, number: Number, tx: CurrentTransaction) -> PolicyShown:
    """Take a version out of force. A policy without an active version asks nobody."""
    return show_policy(await usecases.retire(tx, policy_id, number))
