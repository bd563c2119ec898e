"""The one statement that opens tickets: their requesters, the tickets and their first messages, each a set of rows.

It writes the rows of three slices, because opening is the path that everything else waits for: one round trip, whether
for one ticket or for a gathered batch. Columns that are absent here have their defaults in `tables.py`.
"""

from collections.abc import Sequence

import msgspec

from common.transaction import Transaction
from intake.tickets.opening import Opened, Opening


async def add_openings(tx: Transaction, openings: Sequence[Opening]) -> list[Opened]:
    """Open tickets, in one statement; one whose natural key is taken is left out and changes nothing.

    A person is locked only if they are new or something about them changed, so that many tickets of one busy
    system do not queue behind each other.

    Returns:
        One result per opening, in the order given.
    """
    rows = msgspec.json.encode([_row(place, opening) for place, opening in enumerate(openings)]).decode()
    found = await tx.fetch(_OPEN, rows)
    return [
        Opened(
            number=row["number"],
            requester_id=row["requester_id"],
            organisation_id=row["organisation_id"],
            requester_organisation_id=row["requester_organisation_id"],
            requester_is_new=row["requester_is_new"],
            requester_changed=tuple(row["requester_changed"]),
            requester_language=row["requester_language"],
            requester_timezone=row["requester_timezone"],
            requester_agent_id=row["requester_agent_id"],
        )
        for row in found
    ]


def _row(place: int, opening: Opening) -> dict[str, object]:
    ticket, person, message = opening.ticket, opening.requester, opening.message
    return {
        "place": place,
        "id": ticket.id,
        "status": ticket.status,
        "subject": ticket.subject,
        "requester_id": ticket.requester_id,
        "organisation_id": ticket.organisation_id,
        "source_channel": ticket.source_channel,
        "source_system": ticket.source_system,
        "external_ref": ticket.external_ref,
        "category": ticket.category,
        "component": ticket.component,
        "product": ticket.product,
        "impact": ticket.impact,
        "urgency": ticket.urgency,
        "priority": ticket.priority,
        "priority_reason": ticket.priority_reason,
        "language": ticket.language,
        "tags": ticket.tags,
        "custom": ticket.custom,
        "skills": ticket.skills,
        "tier_required": ticket.tier_required,
        "proactive": ticket.proactive,
        "follow_up_of": ticket.follow_up_of,
        "message_count": ticket.message_count,
        "created_at": ticket.created_at,
        "person_system": person.system if person else None,
        "person_ref": person.external_id if person else None,
        "person_email": person.email if person else "",
        "person_name": person.name if person else "",
        "person_language": person.language if person else "",
        "person_timezone": person.timezone if person else "",
        "person_agent_id": person.agent_id if person else None,
        "person_organisation_id": opening.requester_organisation_id,
        "message_id": message.id if message else None,
        "message_direction": message.direction if message else None,
        "message_author_type": message.author_type if message else None,
        "message_author_id": message.author_id if message else None,
        "message_body": message.body if message else None,
    }


# The lateral look-ups, each with its limit, go row by row through an index. As plain joins they would be planned for
# the hundred rows that PostgreSQL expects of a record set, and read whole tables.
_OPEN = """
with given as materialized (
  select * from jsonb_to_recordset(cast(cast($1 as text) as jsonb)) as given(
    place integer, id uuid, status text, subject text, requester_id uuid, organisation_id uuid,
    source_channel text, source_system text, external_ref text, category text, component text, product text,
    impact smallint, urgency smallint, priority text, priority_reason text, language text, tags text[],
    custom jsonb, skills jsonb, tier_required smallint, proactive boolean, follow_up_of uuid,
    message_count integer, created_at timestamptz,
    person_system text, person_ref text, person_email text, person_name text, person_language text,
    person_timezone text, person_agent_id uuid, person_organisation_id uuid,
    message_id uuid, message_direction text, message_author_type text, message_author_id uuid, message_body text
  )
),
fresh as (
  select given.* from given left join lateral (
    select ticket.id from ticket
    where ticket.source_system = given.source_system and ticket.external_ref = given.external_ref
      and given.external_ref <> '' and ticket.external_ref <> ''
    limit 1
  ) as known on true
  where known.id is null
),
asked as (
  select distinct on (person_system, person_ref) * from fresh
  where person_system is not null
  order by person_system, person_ref, place
),
met as (
  select asked.place, requester.id, requester.system, requester.external_id, requester.language, requester.timezone,
    requester.agent_id, coalesce(asked.person_organisation_id, requester.organisation_id) as organisation_id,
    array_remove(array[
      case when asked.person_email not in ('', requester.email) then 'email' end,
      case when asked.person_name not in ('', requester.name) then 'name' end,
      case when asked.person_language not in ('', requester.language) then 'language' end,
      case when asked.person_timezone not in ('', requester.timezone) then 'timezone' end,
      case when asked.person_agent_id is distinct from requester.agent_id
        and asked.person_agent_id is not null then 'agent_id' end,
      case when asked.person_organisation_id is distinct from requester.organisation_id
        and asked.person_organisation_id is not null then 'organisation_id' end
    ], null) as changed
  from asked
  cross join lateral (
    select * from requester
    where system = asked.person_system and external_id = asked.person_ref
    limit 1
  ) as requester
),
noted as (
  insert into requester as person
    (id, system, external_id, email, name, language, timezone, agent_id, organisation_id, created_at, updated_at)
  select asked.requester_id, person_system, person_ref, person_email, person_name, person_language, person_timezone,
    person_agent_id, person_organisation_id, created_at, created_at
  from asked left join met using (place)
  where met.id is null or met.changed <> '{}'
  order by person_system, person_ref
  on conflict (system, external_id) do update set
    email = coalesce(nullif(excluded.email, ''), person.email),
    name = coalesce(nullif(excluded.name, ''), person.name),
    language = coalesce(nullif(excluded.language, ''), person.language),
    timezone = coalesce(nullif(excluded.timezone, ''), person.timezone),
    agent_id = coalesce(excluded.agent_id, person.agent_id),
    organisation_id = coalesce(excluded.organisation_id, person.organisation_id),
    version = person.version + 1,
    updated_at = excluded.updated_at
  returning person.id, person.system, person.external_id, person.organisation_id
),
person as (
  select system, external_id, id, organisation_id from noted
  union all
  select system, external_id, id, organisation_id from met where changed = '{}'
),
opened as (
  insert into ticket (
    id, status, subject, requester_id, organisation_id, source_channel, source_system, external_ref, category,
    component, product, impact, urgency, priority, priority_reason, language, tags, custom, skills,
    tier_required, proactive, follow_up_of, message_count, created_at, updated_at
  )
  select
    fresh.id, status, subject, coalesce(person.id, requester_id),
    coalesce(fresh.organisation_id, person.organisation_id), source_channel, source_system, external_ref,
    category, component, product, impact, urgency, priority, priority_reason, language, tags, custom, skills,
    tier_required, proactive, follow_up_of, message_count, created_at, created_at
  from fresh left join person on person.system = person_system and person.external_id = person_ref
  order by source_system, external_ref, place
  on conflict (source_system, external_ref) where external_ref <> '' do nothing
  returning id, number, requester_id, organisation_id
),
spoken as (
  insert into message (
    id, ticket_id, position, requester_id, direction, author_type, author_id, channel, body,
    counts_as_response, awaits_customer, ack_only, created_at
  )
  select message_id, opened.id, 1, opened.requester_id, message_direction, message_author_type,
    case message_author_type when 'requester' then opened.requester_id else message_author_id end,
    source_channel, message_body, false, false, false, created_at
  from fresh join opened using (id)
  where message_id is not null
)
select given.place, opened.number, opened.requester_id, opened.organisation_id,
  met.organisation_id as requester_organisation_id,
  noted.id is not null as requester_is_new,
  coalesce(met.changed, '{}') as requester_changed,
  coalesce(nullif(person_language, ''), met.language, '') as requester_language,
  coalesce(nullif(person_timezone, ''), met.timezone, '') as requester_timezone,
  coalesce(person_agent_id, met.agent_id) as requester_agent_id
from given
left join opened using (id)
left join noted on noted.id = given.requester_id and person_system is not null
left join met using (place)
order by given.place
"""
