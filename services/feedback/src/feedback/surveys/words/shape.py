"""What a language must be able to say."""

from collections.abc import Mapping
from dataclasses import dataclass

from feedback.policies.domain import SurveyKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """The texts of one language. `{number}` is the ticket's, `{url}` the link, `{score}` a score in words."""

    invitation: str
    reminder: str
    title: str
    about: str
    questions: Mapping[SurveyKind, str]
    csat_labels: tuple[str, str, str, str, str]
    thumbs_labels: tuple[str, str]
    ces_labels: tuple[str, str, str, str, str, str, str]
    nps_ends: tuple[str, str]
    required: str
    reasons_question: str
    optional: str
    reasons: Mapping[str, str]
    comment_label: str
    comment_hint: str
    send: str
    privacy: str
    opt_out_question: str
    opt_out: str
    opted_out_title: str
    opted_out: str
    thanks_title: str
    thanks: str
    your_answer: str
    consent_question: str
    consent_hint: str
    consent_yes: str
    consent_no: str
    consent_send: str
    consented: str
    change: str
    change_hint: str
    send_change: str
    unknown_title: str
    unknown: str
    expired_title: str
    expired: str
    cancelled_title: str
    cancelled: str
    refused_title: str
    missing_score: str
    refused: str
    already_answered: str
    answer_fixed: str
    failed_title: str
    failed: str
    back: str
