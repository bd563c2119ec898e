"""What the customer is told about who helps now, in the ticket's language by its primary subtag, English where unknown;
and what the sender of an emergency is reminded of, in English as all that is said inside.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

_TEXTS: Mapping[str, str] = {
    "en": "{who} has taken over your request FL-{number} and looks after it from now on.",
    "de": "{who} hat Ihre Anfrage FL-{number} übernommen und kümmert sich ab jetzt darum.",
    "fr": "{who} a repris votre demande FL-{number} et s'en occupe désormais.",
    "es": "{who} se ha hecho cargo de su solicitud FL-{number} y la atiende a partir de ahora.",
}
_HANDED_ON: Mapping[str, str] = {
    "en": "Everything that you have told us was handed on: you do not need to repeat anything.",
    "de": "Alles, was Sie uns mitgeteilt haben, wurde weitergegeben: Sie brauchen nichts zu wiederholen.",
    "fr": "Tout ce que vous nous avez dit lui a été transmis : vous n'avez rien à répéter.",
    "es": "Todo lo que nos contó se ha transmitido: no necesita repetir nada.",
}
"""Said only where it is so: an emergency may go out before its package."""
_UNNAMED: Mapping[str, tuple[str, str]] = {
    "en": ("A colleague of our support team", "A senior specialist of our support team"),
    "de": ("Jemand aus unserem Support-Team", "Eine erfahrene Fachkraft aus unserem Support-Team"),
    "fr": ("Une personne de notre équipe d'assistance", "Une personne expérimentée de notre équipe d'assistance"),
    "es": ("Una persona de nuestro equipo de soporte", "Una persona experta de nuestro equipo de soporte"),
}
_NAMED: Mapping[str, tuple[str, str]] = {
    "en": ("{name} of our support team", "{name}, senior specialist of our support team,"),
    "de": ("{name} aus unserem Support-Team", "{name}, erfahrene Fachkraft aus unserem Support-Team,"),
    "fr": ("{name}, de notre équipe d'assistance,", "{name}, membre expérimenté de notre équipe d'assistance,"),
    "es": ("{name}, de nuestro equipo de soporte,", "{name}, especialista de nuestro equipo de soporte,"),
}
_SENIOR = 3
LANGUAGES = tuple(_TEXTS)


def say_who_helps(*, language: str, number: int, tier: int, is_complete: bool, name: str = "") -> str:
    """The message.

    Args:
        language: a BCP 47 tag as the ticket carries it; "" is not known.
        number: the ticket's running number.
        tier: the receiver's, 1 to 3.
        is_complete: whether the receiver was given a whole package.
        name: the receiver's as the directory has it; "" where it could not be had.
    """
    primary = language.partition("-")[0].lower()
    spoken = primary if primary in _TEXTS else "en"
    plain, senior = _NAMED[spoken] if name else _UNNAMED[spoken]
    # Never a template of a template: a name with braces in it stays a name.
    who = (senior if tier >= _SENIOR else plain).replace("{name}", name)
    text = f"{_TEXTS[spoken]} {_HANDED_ON[spoken]}" if is_complete else _TEXTS[spoken]
    return text.replace("{number}", str(number)).replace("{who}", who)


def say_package_is_due(*, handoff_id: UUID, number: int, sender_id: UUID, lacking: Sequence[str]) -> tuple[str, str]:
    """What the sender is reminded of: a line, and a text. Nothing in them comes from the package.

    Args:
        number: the ticket's running number.
        lacking: the fields that are still to be filled.
    """
    subject = f"FL-{number}: the package of the handoff is due"
    lines = (
        f"{subject}: the ticket was handed over in an emergency, and the receiver still lacks what you know.",
        f"Missing: {', '.join(lacking)}.",
        f"For: agent {sender_id}. To fill it: PATCH /v1/handoffs/{handoff_id}/package",
    )
    return subject, "\n".join(lines)
