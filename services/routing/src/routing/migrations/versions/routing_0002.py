"""Handoffs: work of their own beside the ticket's, offers and decisions about them, and who is asked first.

Revision ID: routing_0002
"""

from alembic import op

revision = "routing_0002"
down_revision = "routing_0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    "alter table work_item add column preferred uuid",
    "alter table assignment add column handoff_id uuid",
    "alter table offer add column handoff_id uuid",
    "alter table decision add column handoff_id uuid",
    """
    create table handoff_item (
      handoff_id uuid not null,
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
      preferred uuid,
      teams text[] not null,
      only_preferred boolean not null,
      primary key (handoff_id)
    ) with (fillfactor = 80)
    """,
    "create unique index handoff_item_one_running on handoff_item (ticket_id) where state != 'done'",
    "create index handoff_item_queued on handoff_item (pool, handoff_id) where state = 'queued'",
    # In place of offer_one_open: a ticket's own work and its handoff may be offered at the same time. What was one
    # index becomes two, because the release before still looks for open offers by ticket.
    "create unique index offer_one_open_own on offer (ticket_id) where state = 'open' and handoff_id is null",
    "create unique index offer_one_open_handoff on offer (handoff_id) where state = 'open' and handoff_id is not null",
    "drop index offer_one_open",
    """
    create table ticket_floor (
      ticket_id uuid not null,
      tier_required smallint not null,
      primary key (ticket_id),
      constraint ticket_floor_tier_known check (tier_required between 1 and 3)
    )
    """,
)


def upgrade() -> None:
    """Add everything."""
    for statement in STATEMENTS:
        op.execute(statement)
