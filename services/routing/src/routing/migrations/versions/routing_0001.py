"""Agents, desks, tickets as routing knows them, work, and the pools that decide about it.

Revision ID: routing_0001
"""

from alembic import op

revision = "routing_0001"
down_revision = None
branch_labels = ("routing",)
depends_on = None

STATEMENTS = (
    """
    create table agent (
      agent_id uuid not null,
      name text not null,
      email text not null,
      active boolean not null,
      tier smallint not null,
      max_weight integer not null,
      max_offers integer not null,
      teams text[] not null,
      languages text[] not null,
      presence text not null,
      presence_since timestamptz not null,
      presence_set_by text not null,
      load_quarters integer default '0' not null,
      open_offers integer default '0' not null,
      offers_missed integer default '0' not null,
      idle_since timestamptz not null,
      facts_version bigint not null,
      version bigint not null,
      created_at timestamptz not null,
      primary key (agent_id),
      constraint agent_load_not_negative check (load_quarters >= 0),
      constraint agent_offers_not_negative check (open_offers >= 0),
      constraint agent_tier_known check (tier between 1 and 3)
    )
    """,
    "create unique index agent_email on agent (email) where email != ''",
    """
    create table assignment (
      assignment_id uuid not null,
      ticket_id uuid not null,
      agent_id uuid not null,
      method text not null,
      quarters integer not null,
      started_at timestamptz not null,
      decision_id uuid,
      override_reason text not null,
      ended_at timestamptz,
      end_reason text not null,
      primary key (assignment_id),
      constraint assignment_has_weight check (quarters > 0)
    )
    """,
    "create index assignment_of_agent on assignment (agent_id, ticket_id) where ended_at is null",
    "create unique index assignment_one_active on assignment (ticket_id) where ended_at is null",
    "create index assignment_ticket on assignment (ticket_id, started_at)",
    """
    create table decision (
      decision_id uuid not null,
      ticket_id uuid not null,
      agent_id uuid not null,
      pool text not null,
      epoch bigint not null,
      batch bigint not null,
      decided_at timestamptz not null,
      packed bytea not null,
      primary key (decision_id)
    )
    """,
    "create index decision_ticket on decision (ticket_id, decided_at)",
    """
    create table offer (
      offer_id uuid not null,
      ticket_id uuid not null,
      agent_id uuid not null,
      quarters integer not null,
      attempt integer not null,
      offered_at timestamptz not null,
      expires_at timestamptz not null,
      decision_id uuid,
      state text not null,
      ended_at timestamptz,
      reason text not null,
      primary key (offer_id)
    )
    """,
    "create index offer_of_agent on offer (agent_id, expires_at) where state = 'open'",
    "create unique index offer_one_open on offer (ticket_id) where state = 'open'",
    """
    create table queue (
      queue_id uuid not null,
      pool text not null,
      name text not null,
      match jsonb not null,
      priority smallint not null,
      mode text not null,
      required_skills jsonb not null,
      primary_teams text[] not null,
      overflow_teams text[] not null,
      tau_s jsonb not null,
      offer_life_s integer not null,
      exclusion_s integer not null,
      catch_all boolean not null,
      version bigint not null,
      created_at timestamptz not null,
      primary key (queue_id),
      constraint queue_priority_known check (priority between 1 and 100),
      unique (name)
    )
    """,
    "create unique index queue_catch_all on queue (catch_all) where catch_all",
    # Rows live for milliseconds, so vacuum goes by count and at full speed.
    """
    create table routing_input (
      id bigint generated always as identity,
      pool text not null,
      kind text not null,
      subject_id uuid not null,
      primary key (id)
    ) with (
      autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0
    )
    """,
    "create index routing_input_pool on routing_input (pool, id)",
    """
    create table routing_log (
      pool text not null,
      batch bigint not null,
      epoch bigint not null,
      decided_at timestamptz not null,
      inputs integer not null,
      packed bytea not null,
      primary key (pool, batch)
    )
    """,
    "create index routing_log_decided_at on routing_log (decided_at)",
    """
    create table routing_pool (
      pool text not null,
      epoch bigint not null,
      owner text not null,
      expires_at timestamptz not null,
      batch bigint default '0' not null,
      primary key (pool)
    )
    """,
    """
    create table skill (
      name text not null,
      category text not null,
      parent text,
      created_at timestamptz not null,
      primary key (name),
      foreign key (parent) references skill (name)
    )
    """,
    """
    create table ticket (
      ticket_id uuid not null,
      number bigint not null,
      status text not null,
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
      skills jsonb not null,
      created_at timestamptz not null,
      primary key (ticket_id)
    )
    """,
    """
    create table work_item (
      ticket_id uuid not null,
      pool text not null,
      queue_id uuid not null,
      state text not null,
      priority text not null,
      weight smallint not null,
      tier_required smallint not null,
      needs jsonb not null,
      language text not null,
      tau_s integer not null,
      enqueued_at timestamptz not null,
      deadline timestamptz not null,
      paused_at timestamptz,
      paused_s double precision not null,
      pinned boolean not null,
      ring smallint not null,
      attempt integer not null,
      hand_backs integer not null,
      excluded jsonb not null,
      missing text[] not null,
      correlation_id text not null,
      causation_id text not null,
      traceparent text not null,
      version bigint not null,
      primary key (ticket_id)
    ) with (fillfactor = 80)
    """,
    "create index work_item_queued on work_item (pool, ticket_id) where state = 'queued'",
    "create index work_item_unroutable on work_item (ticket_id) where state = 'queued' and missing != '{}'",
    "create index work_item_waiting on work_item (queue_id, deadline, ticket_id) where state = 'queued'",
    """
    create table agent_skill (
      agent_id uuid not null,
      skill text not null,
      level smallint not null,
      primary key (agent_id, skill),
      constraint agent_skill_level_known check (level between 1 and 5),
      foreign key (agent_id) references agent (agent_id),
      foreign key (skill) references skill (name)
    )
    """,
    "create index agent_skill_skill on agent_skill (skill)",
    # The desk of every ticket that no other one wants; see routing.queues.domain.CATCH_ALL_ID.
    """
    insert into queue (
      queue_id, pool, name, match, priority, mode, required_skills, primary_teams, overflow_teams, tau_s,
      offer_life_s, exclusion_s, catch_all, version, created_at
    ) values (
      '00000000-0000-7000-8000-000000000001', 'default', 'Everything else', '{}', 100, 'auto', '[]', '{}', '{}',
      '{"urgent": 900, "high": 3600, "normal": 3600, "low": 14400}', 120, 600, true, 1, now()
    )
    """,
)


def upgrade() -> None:
    """Create everything."""
    for statement in STATEMENTS:
        op.execute(statement)
