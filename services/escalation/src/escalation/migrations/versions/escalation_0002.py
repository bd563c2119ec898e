"""Handoffs, and what is known of agents.

Revision ID: escalation_0002
"""

from alembic import op

revision = "escalation_0002"
down_revision = "escalation_0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table agent (
      agent_id uuid not null,
      tier smallint not null,
      teams text[] not null,
      languages text[] not null,
      presence text not null,
      active boolean not null,
      primary key (agent_id)
    )
    """,
    """
    create table handoff (
      handoff_id uuid not null,
      ticket_id uuid not null,
      requester_id uuid not null,
      state text not null,
      from_agent_id uuid not null,
      from_tier smallint not null,
      reason_code text not null,
      emergency boolean not null,
      to_agent_id uuid,
      only_agent boolean not null,
      tier_required smallint not null,
      to_teams text[] not null,
      skills jsonb not null,
      return_of uuid,
      package jsonb not null,
      package_due_at timestamptz,
      package_completed_at timestamptz,
      package_reminded_at timestamptz,
      created_at timestamptz not null,
      created_by text not null,
      requested_at timestamptz,
      deadline timestamptz,
      expires_at timestamptz,
      offer_id uuid,
      offered_to uuid,
      offer_expires_at timestamptz,
      declines integer not null,
      decline_code text not null,
      declined_by uuid,
      sender_left boolean not null,
      ending text not null,
      ended_at timestamptz,
      receiver_id uuid,
      receiver_tier smallint,
      assignment_id uuid,
      accepted_at timestamptz,
      customer_informed_at timestamptz,
      resolved_by uuid,
      return_reason text not null,
      findings text not null,
      teaching_note text not null,
      returned_by uuid,
      updated_at timestamptz not null,
      version integer not null,
      primary key (handoff_id)
    )
    """,
    "create unique index handoff_one_open on handoff (ticket_id) where state = 'requested'",
    "create index handoff_ticket on handoff (ticket_id, handoff_id)",
    "create index handoff_offered on handoff (offered_to, handoff_id) where offered_to is not null",
    "create index handoff_receiver on handoff (receiver_id, handoff_id) where receiver_id is not null",
    "create index handoff_sender on handoff (from_agent_id, handoff_id)",
    "create index handoff_state on handoff (state, handoff_id) where state in ('draft', 'requested')",
    "create index handoff_requester on handoff (requester_id)",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
