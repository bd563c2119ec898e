"""What the customer is told about who helps now. The ticket's language by its primary subtag, English where unknown."""

from collections.abc import Mapping

_TEXTS: Mapping[str, str] = {
    "en": (
        "{who} has taken over your request FL-{number} and looks after it from now on. Everything that you have told "
        "us was handed on: you do not need to repeat anything."
    ),
    "de": (
        "{who} hat Ihre Anfrage FL-{number} übernommen und kümmert sich ab jetzt darum. Alles, was Sie uns mitgeteilt "
        "haben, wurde weitergegeben: Sie brauchen nichts zu wiederholen."
    ),
    "fr": (
        "{who} a repris votre demande FL-{number} et s'en occupe désormais. Tout ce que vous nous avez dit lui a été "
        "transmis : vous n'avez rien à répéter."
    ),
    "es": (
        "{who} se ha hecho cargo de su solicitud FL-{number} y la atiende a partir de ahora. Todo lo que nos contó se "
        "ha transmitido: no necesita repetir nada."
    ),
}
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


def say_who_helps(*, language: str, number: int, tier: int, name: str = "") -> str:
    """The message.

    Args:
        language: a BCP 47 tag as the ticket carries it; "" is not known.
        number: the ticket's running number.
        tier: the receiver's, 1 to 3.
        name: the receiver's as the directory has it; "" where it could not be had.
    """
    primary = language.partition("-")[0].lower()
    spoken = primary if primary in _TEXTS else "en"
    plain, senior = _NAMED[spoken] if name else _UNNAMED[spoken]
    # Never a template of a template: a name with braces in it stays a name.
    who = (senior if tier >= _SENIOR else plain).replace("{name}", name)
    return _TEXTS[spoken].replace("{number}", str(number)).replace("{who}", who)
