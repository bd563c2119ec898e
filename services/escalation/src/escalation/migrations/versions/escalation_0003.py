"""Escalation policies, runs and notifications, and the policies that hold unless somebody makes others.

Revision ID: escalation_0003
"""

from alembic import op

revision = "escalation_0003"
down_revision = "escalation_0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table escalation_policy (
      policy_id uuid primary key,
      name text not null unique,
      priority smallint not null,
      created_at timestamptz not null,
      version bigint not null
    )
    """,
    """
    create table escalation_policy_version (
      policy_id uuid not null references escalation_policy,
      version integer not null,
      state text not null,
      match jsonb not null,
      triggers text[] not null,
      clocks text[] not null,
      steps jsonb not null,
      rounds smallint not null,
      repeat_after_s integer not null,
      ack_timeout_s integer not null,
      leads uuid[] not null,
      calendar_id uuid not null,
      created_at timestamptz not null,
      activated_at timestamptz,
      retired_at timestamptz,
      primary key (policy_id, version)
    )
    """,
    "create unique index escalation_policy_active on escalation_policy_version (policy_id) where state = 'active'",
    """
    create table escalation_run (
      run_id uuid primary key,
      ticket_id uuid not null,
      policy_id uuid not null,
      policy_version integer not null,
      trigger text not null,
      started_at timestamptz not null,
      round_started_at timestamptz not null,
      due_at timestamptz,
      clock_id uuid,
      clock_kind text not null,
      cycle integer not null,
      reason text not null,
      owner_at_start uuid,
      marks jsonb not null,
      state text not null,
      round smallint not null,
      next_step smallint not null,
      stepped_at timestamptz,
      forced boolean not null,
      owed smallint[] not null,
      ack_until timestamptz,
      acked_by text not null,
      generation bigint not null,
      version bigint not null,
      ended_at timestamptz,
      end_reason text not null
    ) with (fillfactor = 80)
    """,
    """
    create unique index escalation_run_live on escalation_run (ticket_id, policy_id, trigger, clock_id)
    nulls not distinct where state in ('running', 'acknowledged', 'held')
    """,
    "create index escalation_run_ticket on escalation_run (ticket_id, run_id)",
    "create index escalation_run_held on escalation_run (run_id) where state = 'held'",
    """
    create table escalation_step (
      run_id uuid not null references escalation_run,
      round smallint not null,
      step smallint not null,
      action text not null,
      targets text[] not null,
      reached uuid[] not null,
      fired_at timestamptz not null,
      primary key (run_id, round, step)
    )
    """,
    """
    create table escalation_level (
      ticket_id uuid primary key,
      level smallint not null,
      tier_required smallint not null
    )
    """,
    """
    create table notification (
      notification_id uuid primary key,
      ticket_id uuid not null,
      run_id uuid,
      step smallint,
      channel text not null,
      address text not null,
      target text not null,
      subject text not null,
      text text not null,
      facts jsonb not null,
      state text not null,
      attempts integer not null,
      fault text not null,
      due_at timestamptz not null,
      lease_until timestamptz,
      lease_holder uuid,
      created_at timestamptz not null,
      ended_at timestamptz
    ) with (fillfactor = 80)
    """,
    "create index notification_ticket on notification (ticket_id, notification_id)",
    "create index notification_run on notification (run_id) where state = 'pending'",
    "create index notification_due on notification (channel, due_at) where state = 'pending'",
    """
    create table notification_attempt (
      notification_id uuid not null references notification,
      attempt integer not null,
      at timestamptz not null,
      fault text not null,
      primary key (notification_id, attempt)
    )
    """,
    """
    insert into escalation_policy (policy_id, name, priority, created_at, version) values
      ('00000000-0000-7000-8000-000000000031', 'Default', 100, '1970-01-01T00:00:00Z', 1),
      ('00000000-0000-7000-8000-000000000032', 'Default: somebody calls for help', 100, '1970-01-01T00:00:00Z', 1),
      ('00000000-0000-7000-8000-000000000033', 'Default: nobody could take it', 100, '1970-01-01T00:00:00Z', 1)
    """,
    """
    insert into escalation_policy_version (
      policy_id, version, state, match, triggers, clocks, steps, rounds, repeat_after_s, ack_timeout_s, leads,
      calendar_id, created_at, activated_at
    ) values
    (
      '00000000-0000-7000-8000-000000000031', 1, 'active', '{}', '{sla}',
      '{first_response,next_response,resolution}',
      '[
        {"after_s": 0, "action": "notify", "clock": "wall", "when": "sla_pct>=75", "targets": ["owner", "team_lead"],
         "url": "", "tier": 0},
        {"after_s": 0, "action": "notify", "clock": "wall", "when": "sla_pct>=90", "targets": ["team_lead"],
         "url": "", "tier": 0},
        {"after_s": 0, "action": "raise_tier", "clock": "wall", "when": "sla_pct>=100", "targets": [],
         "url": "", "tier": 0}
      ]',
      1, 3600, 3600, '{}', '00000000-0000-7000-8000-000000000012', '1970-01-01T00:00:00Z', '1970-01-01T00:00:00Z'
    ),
    (
      '00000000-0000-7000-8000-000000000032', 1, 'active', '{}', '{manual,handoff}', '{}',
      '[
        {"after_s": 0, "action": "notify", "clock": "wall", "when": "not_acked", "targets": ["owner", "team_lead"],
         "url": "", "tier": 0},
        {"after_s": 900, "action": "raise_tier", "clock": "wall", "when": "not_acked", "targets": [],
         "url": "", "tier": 0}
      ]',
      1, 3600, 3600, '{}', '00000000-0000-7000-8000-000000000012', '1970-01-01T00:00:00Z', '1970-01-01T00:00:00Z'
    ),
    (
      '00000000-0000-7000-8000-000000000033', 1, 'active', '{}', '{unroutable}', '{}',
      '[
        {"after_s": 0, "action": "notify", "clock": "wall", "when": "unroutable", "targets": ["team_lead"],
         "url": "", "tier": 0}
      ]',
      1, 900, 3600, '{}', '00000000-0000-7000-8000-000000000012', '1970-01-01T00:00:00Z', '1970-01-01T00:00:00Z'
    )
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
