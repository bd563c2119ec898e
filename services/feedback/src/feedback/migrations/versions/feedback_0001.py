"""What is known of tickets and people; survey policies, surveys, answers and follow-ups; and the shipped policy.

Revision ID: feedback_0001
"""

from alembic import op

revision = "feedback_0001"
down_revision = None
branch_labels = ("feedback",)
depends_on = None

STATEMENTS = (
    """
    create table ticket (
      ticket_id uuid not null,
      number bigint not null,
      requester_id uuid not null,
      channel text not null,
      system text not null,
      category text not null,
      priority text not null,
      language text not null,
      status text not null,
      imported boolean not null,
      human_replied boolean not null,
      resolution_seq integer not null,
      resolution_code text not null,
      resolved_at timestamptz,
      reopen_until timestamptz,
      primary key (ticket_id)
    )
    """,
    """
    create table person (
      requester_id uuid not null,
      language text not null,
      timezone text not null,
      agent_id uuid,
      primary key (requester_id)
    )
    """,
    """
    create table known_agent (
      agent_id uuid not null,
      primary key (agent_id)
    )
    """,
    """
    create table survey_policy (
      policy_id uuid not null,
      name text not null,
      kind text not null,
      created_at timestamptz not null,
      primary key (policy_id),
      unique (name)
    )
    """,
    """
    create table survey_policy_version (
      policy_id uuid not null,
      version integer not null,
      state text not null,
      rules jsonb not null,
      created_at timestamptz not null,
      activated_at timestamptz,
      retired_at timestamptz,
      primary key (policy_id, version),
      foreign key (policy_id) references survey_policy (policy_id)
    )
    """,
    "create unique index survey_policy_one_active on survey_policy_version (policy_id) where state = 'active'",
    """
    create table survey (
      survey_id uuid not null,
      ticket_id uuid not null,
      number bigint not null,
      resolution_seq integer not null,
      requester_id uuid not null,
      kind text not null,
      policy_id uuid not null,
      policy_version integer not null,
      state text not null,
      reason text not null,
      language text not null,
      manual boolean not null,
      correlation_id text not null,
      resolved_at timestamptz not null,
      due_at timestamptz not null,
      created_at timestamptz not null,
      asked_at timestamptz,
      sent_at timestamptz,
      message_id uuid,
      expires_at timestamptz,
      reminded_at timestamptz,
      answered_at timestamptz,
      answer_version smallint not null,
      version bigint not null,
      primary key (survey_id),
      constraint survey_once unique (ticket_id, resolution_seq, requester_id, kind)
    )
    """,
    "create index survey_of_person on survey (requester_id, kind, asked_at)",
    "create index survey_newest on survey (created_at, survey_id)",
    """
    create table survey_link (
      token_sha256 bytea not null,
      survey_id uuid not null,
      issued_at timestamptz not null,
      primary key (token_sha256)
    )
    """,
    """
    create table survey_answer (
      survey_id uuid not null,
      version smallint not null,
      requester_id uuid not null,
      score smallint not null,
      comment text not null,
      reasons text[] not null,
      reopen_consent boolean,
      answered_at timestamptz not null,
      primary key (survey_id, version)
    )
    """,
    "create index survey_answer_person on survey_answer (requester_id)",
    """
    create table survey_person (
      requester_id uuid not null,
      opted_out_at timestamptz,
      primary key (requester_id)
    )
    """,
    """
    create table followup (
      followup_id uuid not null,
      survey_id uuid not null,
      ticket_id uuid not null,
      requester_id uuid not null,
      resolution_seq integer not null,
      kind text not null,
      score smallint not null,
      answer_version smallint not null,
      consented boolean not null,
      agent_id uuid,
      state text not null,
      outcome text not null,
      note text not null,
      closed_by text not null,
      opened_at timestamptz not null,
      due_at timestamptz not null,
      closed_at timestamptz,
      version bigint not null,
      primary key (followup_id),
      unique (survey_id)
    )
    """,
    "create index followup_ticket on followup (ticket_id)",
    "create index followup_due on followup (due_at, followup_id)",
    # The policy of every ticket that no other one matches; see feedback.policies.domain.DEFAULT_POLICY_ID.
    """
    insert into survey_policy (policy_id, name, kind, created_at)
    values ('00000000-0000-7000-8000-000000000001', 'Satisfaction', 'csat_5', now())
    """,
    """
    insert into survey_policy_version (policy_id, version, state, rules, created_at, activated_at) values (
      '00000000-0000-7000-8000-000000000001', 1, 'active',
      '{"priority": 100, "match": {}, "delay_s": 86400, "chat_delay_s": 120,
        "local_hours": {"begin": 9, "end": 18, "timezone": "UTC"}, "throttle_s": 604800, "reminder_after_s": 259200,
        "life_s": 1209600, "sample_percent": 100, "closed_channels": ["alert"]}',
      now(), now()
    )
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
