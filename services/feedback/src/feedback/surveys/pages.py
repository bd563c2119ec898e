"""The public page as HTML: without scripts, without anything from elsewhere, with nothing chosen beforehand."""

import base64
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.datastructures import Headers

from common.errors import FrontlineError, Unavailable
from feedback.surveys.answering import Sheet
from feedback.surveys.domain import MAX_COMMENT, Survey
from feedback.surveys.texts import LANGUAGES, choices, choose_language
from feedback.surveys.words.shape import Words

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
_pages = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)

HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}
"""Of every page: nothing is loaded, kept, indexed or framed; the address, which is the secret, is told to nobody."""

_NOTICES: Mapping[str, tuple[str, str]] = {
    "survey_unknown": ("unknown_title", "unknown"),
    "survey_expired": ("expired_title", "expired"),
    "survey_cancelled": ("cancelled_title", "cancelled"),
    "survey_opted_out": ("opted_out_title", "opted_out"),
    "score_missing": ("refused_title", "missing_score"),
    "already_answered": ("refused_title", "already_answered"),
    "answer_fixed": ("refused_title", "answer_fixed"),
}
"""By the code of a refusal, the words of its title and of its text."""


def show_page(sheet: Sheet, *, path: str, accepted: str) -> Response:
    """The question, or the thanks for its answer.

    Args:
        path: of the page, in front of its forms' addresses.
        accepted: the header Accept-Language, for people whose language nobody knows.
    """
    survey, answer = sheet.survey, sheet.answer
    language = choose_language(survey.language, accepted)
    words = LANGUAGES[language]
    asked: dict[str, Any] = {
        "path": path,
        "number": survey.number,
        "kind": survey.kind.value,
        "choices": choices(words, survey.kind),
        "comment": answer.comment if answer else "",
        "max_comment": MAX_COMMENT,
    }
    if answer is None:
        return _page("survey.html", language, **asked)
    return _page(
        "thanks.html",
        language,
        **asked,
        score=_in_words(words, survey, answer.score),
        amends=answer.version,
        can_amend=sheet.can_amend,
        asks_consent=sheet.asks_consent,
        reopens=sheet.reopens,
    )


def show_opted_out(survey: Survey, *, accepted: str) -> Response:
    """That the person is not asked any more."""
    language = choose_language(survey.language, accepted)
    words = LANGUAGES[language]
    return _page("notice.html", language, title=words.opted_out_title, text=words.opted_out, back="")


def show_refusal(error: FrontlineError, status: int, path: str, headers: Headers) -> Response | None:
    """Why it did not work, for a person; None for a program, which asks for JSON or sends it."""
    accept = headers.get("accept", "")
    if headers.get("content-type", "").startswith("application/json"):
        return None
    if "application/json" in accept and "text/html" not in accept:
        return None
    language = choose_language("", headers.get("accept-language", ""))
    words = LANGUAGES[language]
    usual = ("failed_title", "failed") if status >= 500 else ("refused_title", "refused")
    title, text = _NOTICES.get(error.code, usual)
    page = "/".join(path.split("/")[:3])
    page = _page(
        "notice.html",
        language,
        status=status,
        title=getattr(words, title),
        text=getattr(words, text),
        back=page if page != path and status not in (404, 410) else "",
    )
    if isinstance(error, Unavailable):
        page.headers["retry-after"] = str(error.retry_after_s)
    return page


def _page(template: str, language: str, *, status: int = 200, **values: object) -> Response:
    html = _pages.get_template(template).render(
        language=language,
        words=LANGUAGES[language],
        style=Markup(_STYLE),  # noqa: S704 - our own file, whose hash the policy names
        **values,
    )
    return Response(html, status_code=status, media_type="text/html; charset=utf-8", headers=dict(HEADERS))


def _in_words(words: Words, survey: Survey, score: int) -> str:
    chosen = next(each for each in choices(words, survey.kind) if each.score == score)
    if survey.kind.value == "thumbs":
        return chosen.label
    return f"{score} ({chosen.label})" if chosen.label else str(score)
