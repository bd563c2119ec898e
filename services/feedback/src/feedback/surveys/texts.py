"""Which words a person reads, in the message with the link and on the page; English where we do not speak theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feedback.policies.domain import SurveyKind
from feedback.surveys.words import de, en, es, fr
from feedback.surveys.words.shape import Words

LANGUAGES: Mapping[str, Words] = {"en": en.WORDS, "de": de.WORDS, "fr": fr.WORDS, "es": es.WORDS}
_FALLBACK = "en"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One score as the page offers it. `label` says what it means, empty where the number says it all."""

    score: int
    label: str


def choose_language(preferred: str, accepted: str = "") -> str:
    """The language in which we speak to a person, a key of `LANGUAGES`.

    Args:
        preferred: what is known of the ticket or the person, BCP 47; may be empty.
        accepted: the header Accept-Language.
    """
    for tag in (preferred, *_by_quality(accepted)):
        primary = tag.strip().lower().replace("_", "-").partition("-")[0]
        if primary in LANGUAGES:
            return primary
    return _FALLBACK


def invitation(language: str, *, number: int, url: str) -> str:
    """The message that carries the link."""
    return LANGUAGES[choose_language(language)].invitation.format(number=number, url=url)


def reminder(language: str, *, number: int, url: str) -> str:
    """The message that carries the link once more."""
    return LANGUAGES[choose_language(language)].reminder.format(number=number, url=url)


def choices(words: Words, kind: SurveyKind) -> Sequence[Choice]:
    """Every score of a kind, the least first."""
    match kind:
        case SurveyKind.CSAT_5:
            return [Choice(score=place + 1, label=label) for place, label in enumerate(words.csat_labels)]
        case SurveyKind.THUMBS:
            return [Choice(score=place, label=label) for place, label in enumerate(words.thumbs_labels)]
        case SurveyKind.CES_7:
            return [Choice(score=place + 1, label=label) for place, label in enumerate(words.ces_labels)]
        case SurveyKind.NPS_11:
            return [Choice(score=score, label="") for score in range(11)]


def _by_quality(header: str) -> list[str]:
    """The tags of an Accept-Language header, the most wanted first; what cannot be read counts as least wanted.

    Source: RFC 9110, section 12.5.4.
    """
    weighed: list[tuple[float, str]] = []
    for part in header[:500].split(","):
        tag, _, parameter = part.partition(";")
        name, _, value = parameter.partition("=")
        try:
            quality = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            quality = 0.0
        if tag.strip() and quality > 0:
            weighed.append((quality, tag.strip()))
    return [tag for _, tag in sorted(weighed, key=lambda each: -each[0])]
