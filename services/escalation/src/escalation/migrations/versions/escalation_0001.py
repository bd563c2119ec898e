"""Calendars, policies, clocks, and what is known of tickets.

Revision ID: escalation_0001
"""

from alembic import op

revision = "escalation_0001"
down_revision = None
branch_labels = ("escalation",)
depends_on = None

STATEMENTS = (
    """
    create table ticket (
      ticket_id uuid not null,
      number bigint not null,
      status text not null,
      hold_reason text not null,
      priority text not null,
      impact smallint not null,
      urgency smallint not null,
      category text not null,
      component text not null,
      product text not null,
      language text not null,
      channel text not null,
      system text not null,
      tags text[] not null,
      organisation_id uuid,
      requester_id uuid not null,
      tier_required smallint not null,
      tier_raised smallint not null,
      proactive boolean not null,
      owner_id uuid,
      owner_tier smallint not null,
      assignment_id uuid,
      created_at timestamptz not null,
      primary key (ticket_id)
    ) with (fillfactor = 80)
    """,
    """
    create table ticket_log (
      ticket_id uuid not null,
      source text not null,
      seq bigint not null,
      event_id uuid not null,
      type text not null,
      at timestamptz not null,
      data bytea not null,
      primary key (ticket_id, source, seq)
    )
    """,
    """
    create table calendar (
      calendar_id uuid not null,
      version integer not null,
      name text not null,
      zone text not null,
      week jsonb not null,
      exceptions jsonb not null,
      country text not null,
      subdivision text not null,
      created_at timestamptz not null,
      primary key (calendar_id, version)
    )
    """,
    """
    create table sla_policy (
      policy_id uuid not null,
      version integer not null,
      state text not null,
      name text not null,
      targets_s jsonb not null,
      calendar_id uuid not null,
      match jsonb not null,
      calendars jsonb not null,
      pausing_holds jsonb not null,
      next_response_pauses boolean not null,
      warning_percents jsonb not null,
      reopen text not null,
      human_reply_only boolean not null,
      fresh jsonb not null,
      created_at timestamptz not null,
      primary key (policy_id, version)
    )
    """,
    "create unique index sla_policy_one_active on sla_policy (policy_id) where state = 'active'",
    """
    create table sla_revision (
      number integer not null,
      revision_id uuid not null,
      effective_from timestamptz not null,
      policies jsonb not null,
      calendars jsonb not null,
      primary key (number),
      unique (revision_id)
    )
    """,
    """
    create table sla_ticket (
      ticket_id uuid not null,
      folded jsonb not null,
      told_policy_id uuid,
      told_policy_version integer,
      generation bigint not null,
      primary key (ticket_id)
    ) with (fillfactor = 80)
    """,
    """
    create table sla_clock (
      clock_id uuid not null,
      ticket_id uuid not null,
      kind text not null,
      cycle integer not null,
      handoff_id uuid,
      state text not null,
      started_at timestamptz not null,
      target_s integer not null,
      policy_id uuid not null,
      policy_version integer not null,
      calendar_id uuid not null,
      calendar_version integer not null,
      consumed_us bigint not null,
      deadline timestamptz,
      breached_at timestamptz,
      breach_cause text not null,
      ended_at timestamptz,
      end_reason text not null,
      end_event_id uuid,
      ledger jsonb not null,
      told jsonb not null,
      may_return boolean not null,
      primary key (clock_id)
    ) with (fillfactor = 80)
    """,
    "create index sla_clock_ticket on sla_clock (ticket_id)",
    "create index sla_clock_may_return on sla_clock (ticket_id) where may_return",
    # Calendars to begin with. The default policy counts by the first, so that clocks run at once.
    """
    insert into calendar (
      calendar_id, version, name, zone, week, exceptions, country, subdivision, created_at
    ) values (
      '00000000-0000-7000-8000-000000000011', 1, 'Always', 'UTC',
      '[[[0, 86400]], [[0, 86400]], [[0, 86400]], [[0, 86400]], [[0, 86400]], [[0, 86400]], [[0, 86400]]]',
      '[]', '', '', now()
    ), (
      '00000000-0000-7000-8000-000000000012', 1, 'Office hours', 'UTC',
      '[[[32400, 61200]], [[32400, 61200]], [[32400, 61200]], [[32400, 61200]], [[32400, 61200]], [], []]',
      '[]', '', '', now()
    )
    """,
    # Source of the targets: the default policy quoted in frappe/helpdesk#1542.
    """
    insert into sla_policy (
      policy_id, version, state, name, targets_s, calendar_id, match, calendars, pausing_holds, next_response_pauses,
      warning_percents, reopen, human_reply_only, fresh, created_at
    ) values (
      '00000000-0000-7000-8000-000000000021', 1, 'active', 'Default', '{
        "first_response": {"urgent": 900, "high": 3600, "normal": 3600, "low": 14400},
        "next_response": {"urgent": 900, "high": 3600, "normal": 3600, "low": 14400},
        "resolution": {"urgent": 3600, "high": 14400, "normal": 28800, "low": 57600},
        "handoff_accept": {"urgent": 1800, "high": 1800, "normal": 1800, "low": 1800}
      }',
      '00000000-0000-7000-8000-000000000011', '{}', '{}', '["third_party", "scheduled", "maintenance"]', false,
      '[50, 75, 90]', 'resume', true, '[]', now()
    )
    """,
    """
    insert into sla_revision (number, revision_id, effective_from, policies, calendars) values (
      1, gen_random_uuid(), '1970-01-01T00:00:00Z', '[["00000000-0000-7000-8000-000000000021", 1]]',
      '{"00000000-0000-7000-8000-000000000011": 1, "00000000-0000-7000-8000-000000000012": 1}'
    )
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
