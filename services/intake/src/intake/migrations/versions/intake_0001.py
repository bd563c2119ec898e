"""Requesters, organisations, tickets, messages, and what other services' events said of tickets.

Revision ID: intake_0001
"""

from alembic import op

revision = "intake_0001"
down_revision = None
branch_labels = ("intake",)
depends_on = None

STATEMENTS = (
    "create sequence ticket_number",
    """
    create table organisation (
      id uuid not null,
      system text not null,
      external_id text not null,
      name text not null,
      timezone text not null,
      support_plan text not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (id),
      unique (system, external_id)
    )
    """,
    """
    create table requester (
      id uuid not null,
      system text not null,
      external_id text not null,
      email text not null,
      name text not null,
      language text not null,
      organisation_id uuid,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (id),
      unique (system, external_id)
    )
    """,
    "create index requester_organisation on requester (organisation_id, id)",
    """
    create table ticket (
      id uuid not null,
      number bigint default nextval('ticket_number') not null,
      status text not null,
      subject text not null,
      requester_id uuid not null,
      organisation_id uuid,
      source_channel text not null,
      source_system text not null,
      external_ref text not null,
      category text not null,
      component text not null,
      product text not null,
      impact smallint not null,
      urgency smallint not null,
      priority text not null,
      priority_reason text not null,
      language text not null,
      tags text[] not null,
      custom jsonb not null,
      skills jsonb not null,
      tier_required smallint not null,
      proactive boolean not null,
      follow_up_of uuid,
      moved_by text default '' not null,
      message_count integer default 0 not null,
      agent_spoke_last boolean default false not null,
      first_response_at timestamptz,
      hold_reason text,
      resume_at timestamptz,
      hold_generation integer default 0 not null,
      resolution_seq integer default 0 not null,
      resolution_code text,
      resolution_summary text default '' not null,
      skip_reason text default '' not null,
      resolved_at timestamptz,
      reopen_count integer default 0 not null,
      closed_at timestamptz,
      cancel_reason text,
      cancelled_at timestamptz,
      first_owner_id uuid,
      owner_id uuid,
      owner_tier smallint,
      assignment_id uuid,
      owner_event_id uuid,
      routing_state text default 'none' not null,
      routing_event_id uuid,
      queue_id uuid,
      queue_event_id uuid,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      version integer default 1 not null,
      primary key (id)
    )
    """,
    "create index ticket_created on ticket (created_at, id)",
    "create index ticket_follow_up on ticket (follow_up_of) where follow_up_of is not null",
    "create unique index ticket_natural_key on ticket (source_system, external_ref) where external_ref <> ''",
    "create unique index ticket_number_key on ticket (number)",
    "create index ticket_organisation on ticket (organisation_id, created_at, id) where organisation_id is not null",
    "create index ticket_owner on ticket (owner_id, created_at, id) where owner_id is not null",
    "create index ticket_priority on ticket (priority, created_at, id) where priority in ('high', 'urgent')",
    "create index ticket_queue on ticket (queue_id, created_at, id) where queue_id is not null",
    "create index ticket_requester on ticket (requester_id, created_at, id)",
    "create index ticket_routing on ticket (routing_state, created_at, id) where routing_state <> 'none'",
    "create index ticket_status on ticket (status, created_at, id)",
    "create index ticket_tags on ticket using gin (tags) where tags <> '{}'",
    "create index ticket_tier on ticket (tier_required, created_at, id) where tier_required > 1",
    "create index ticket_updated on ticket (updated_at, id)",
    """
    create table kept_event (
      ticket_id uuid not null,
      source text not null,
      seq bigint not null,
      event_id uuid not null,
      type text not null,
      occurred_at timestamptz not null,
      actor text not null,
      correlation_id text not null,
      causation_id text not null,
      traceparent text not null,
      data bytea not null,
      primary key (ticket_id, source, seq)
    )
    """,
    """
    create table message (
      id uuid not null,
      ticket_id uuid not null,
      position integer not null,
      requester_id uuid not null,
      direction text not null,
      author_type text not null,
      author_id uuid,
      channel text not null,
      body text not null,
      counts_as_response boolean not null,
      awaits_customer boolean not null,
      ack_only boolean not null,
      created_at timestamptz not null,
      primary key (id)
    )
    """,
    "create index message_requester on message (requester_id)",
    "create unique index message_ticket on message (ticket_id, position)",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
