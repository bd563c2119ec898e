"""The tables that every service carries: events out and in, parking, keys, timers.

Revision ID: common_0001
"""

from alembic import op

revision = "common_0001"
down_revision = None
branch_labels = ("common",)
depends_on = None

STATEMENTS = (
    """
    create table subject (
      subject text primary key,
      seq bigint not null
    ) with (fillfactor = 80)
    """,
    """
    create table event (
      id bigint generated always as identity (cache 1) primary key,
      event_id uuid not null,
      subject text not null,
      seq bigint not null,
      key text not null,
      type text not null,
      headers bytea not null,
      payload bytea not null,
      occurred_at timestamptz not null,
      unique (subject, seq)
    )
    """,
    # Rows live for milliseconds: vacuum by count, at full speed, or the relay's reads grow with what is already gone.
    """
    create table outbox (
      shard smallint not null,
      id bigint not null,
      primary key (shard, id)
    ) with (
      autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
      autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 20000
    )
    """,
    """
    create table outbox_lease (
      shard smallint primary key,
      holder text not null,
      epoch bigint not null,
      expires_at timestamptz not null
    )
    """,
    """
    insert into outbox_lease (shard, holder, epoch, expires_at)
    select shard, '', 0, 'epoch' from generate_series(0, 7) as shard
    """,
    """
    create table consumer_offset (
      topic text not null,
      partition integer not null,
      next_offset bigint not null,
      end_offset bigint not null,
      epoch bigint not null,
      owner text not null,
      bootstrap boolean not null,
      updated_at timestamptz not null,
      primary key (topic, partition)
    ) with (fillfactor = 30)
    """,
    """
    create table subject_cursor (
      source text not null,
      subject text not null,
      last_seq bigint not null,
      last_event_id uuid not null,
      primary key (source, subject)
    ) with (fillfactor = 70)
    """,
    """
    create table parked_subject (
      source text not null,
      subject text not null,
      reason text not null,
      error text not null,
      attempts integer not null,
      next_attempt_at timestamptz,
      parked_at timestamptz not null,
      primary key (source, subject)
    )
    """,
    """
    create table parked_event (
      topic text not null,
      partition integer not null,
      position bigint not null,
      source text not null,
      subject text not null,
      seq bigint not null,
      headers bytea not null,
      payload bytea,
      parked_at timestamptz not null,
      primary key (topic, partition, position)
    )
    """,
    "create index parked_event_subject on parked_event (source, subject, seq)",
    """
    create table parking_action (
      id bigint generated always as identity primary key,
      action text not null,
      source text not null,
      subject text not null,
      seq bigint,
      headers bytea,
      payload bytea,
      actor text not null,
      reason text not null,
      acted_at timestamptz not null
    )
    """,
    """
    create table poison_record (
      topic text not null,
      partition integer not null,
      position bigint not null,
      key bytea,
      headers bytea not null,
      payload bytea,
      error text not null,
      seen_at timestamptz not null,
      primary key (topic, partition, position)
    )
    """,
    """
    create table idempotency_key (
      client_id text not null,
      key text not null,
      fingerprint bytea not null,
      status smallint,
      headers jsonb,
      body bytea,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      primary key (client_id, key)
    )
    """,
    "create index idempotency_key_expires_at on idempotency_key (expires_at)",
    """
    create table timer (
      kind text not null,
      aggregate_id uuid not null,
      generation bigint not null,
      due_at timestamptz not null,
      attempts integer not null default 0,
      primary key (kind, aggregate_id)
    )
    """,
    "create index timer_due on timer (kind, due_at)",
    """
    create table periodic (
      name text primary key,
      due_at timestamptz not null
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
