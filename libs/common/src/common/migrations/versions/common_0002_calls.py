"""Calls to other services: written with what wants them, sent afterwards.

Revision ID: common_0002
"""

from alembic import op

revision = "common_0002"
down_revision = "common_0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Rows live for moments, like those of the outbox.
    """
    create table outgoing_call (
      call_id uuid primary key,
      kind text not null,
      aggregate_id uuid not null,
      service text not null,
      method text not null,
      path text not null,
      body jsonb not null,
      actor text not null,
      if_match bigint,
      attempts integer not null,
      due_at timestamptz not null,
      give_up_at timestamptz not null,
      lease_until timestamptz,
      lease_holder uuid,
      correlation_id text not null,
      causation_id text not null,
      traceparent text not null
    ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)
    """,
    "create index outgoing_call_due on outgoing_call (service, due_at)",
    "create index outgoing_call_aggregate on outgoing_call (kind, aggregate_id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
