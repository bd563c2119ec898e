"""Every language says everything, and a person reads the one that is theirs."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.policies.domain import SCALES, SurveyKind
from feedback.surveys.domain import REASONS
from feedback.surveys.texts import LANGUAGES, choices, choose_language, invitation, reminder
from feedback.surveys.words.shape import Words


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_a_language_is_complete(language: str) -> None:
    """No text is empty, every kind has its question and every reason its name, and no text is English by mistake."""
    words = LANGUAGES[language]
    assert all(getattr(words, field.name) for field in fields(Words))
    assert set(words.questions) == set(SurveyKind)
    assert tuple(words.reasons) == REASONS
    english = LANGUAGES["en"]
    same = {each.name for each in fields(Words) if getattr(words, each.name) == getattr(english, each.name)}
    assert not same or language == "en"


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("kind", SurveyKind)
def test_every_score_can_be_chosen(language: str, kind: SurveyKind) -> None:
    """The whole scale, in order."""
    scale = SCALES[kind]
    assert [each.score for each in choices(LANGUAGES[language], kind)] == list(range(scale.least, scale.most + 1))


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_the_messages_name_ticket_and_link(language: str) -> None:
    """Each on a line of its own, so that a mail program finds the link."""
    for say in (invitation, reminder):
        text = say(language, number=1042, url="https://help.example/s/abc")
        assert "FL-1042" in text
        assert "https://help.example/s/abc" in text.splitlines()


@pytest.mark.parametrize(
    ("preferred", "accepted", "language"),
    [
        ("de-AT", "fr", "de"),
        ("pt_BR", "fr;q=0.2, es;q=0.8", "es"),
        ("", "EN-gb", "en"),
        ("", "de;q=0, fr", "fr"),
        ("", "*", "en"),
        ("tlh", "", "en"),
    ],
)
def test_whose_language(preferred: str, accepted: str, language: str) -> None:
    """The ticket's or person's first, then what the browser asks for, then English."""
    assert choose_language(preferred, accepted) == language


@given(st.text(), st.text())
def test_whatever_a_browser_sends(preferred: str, accepted: str) -> None:
    """There is always a language."""
    assert choose_language(preferred, accepted) in LANGUAGES
