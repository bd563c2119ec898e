"""What customers come with: symptoms, what agents ask and try, in two languages."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """A case in one language."""

    subject: str
    complaint: str
    question: str
    reply: str
    restatement: str
    attempts: tuple[str, ...]
    solution: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A kind of trouble. `skill` is what an agent needs, `hard` the share of its tickets that entry agents can't solve.

    `impact` and `urgency` run from 1 (most) to 4 (least); a ticket's lie at most one from them.
    """

    name: str
    category: str
    product: str
    skill: str
    impact: int
    urgency: int
    hard: float
    resolution_code: str
    words: Mapping[str, Words]


CASES: tuple[Case, ...] = (
    Case(
        name="account_lock",
        category="account",
        product="portal",
        skill="account",
        impact=3,
        urgency=2,
        hard=0.2,
        resolution_code="guided",
        words={
            "en": Words(
                subject="My account is locked",
                complaint="I typed my password a few times and now the portal says that my account is locked.",
                question="Which address do you sign in with, and do you see a time in the message?",
                reply="The address of this mail. It says: try again in 24 hours.",
                restatement="You can't sign in since several wrong passwords, and must work before tomorrow. Right?",
                attempts=("unlocked the account", "sent a new link for the password"),
                solution="The account is open again and the password was set anew.",
            ),
            "de": Words(
                subject="Mein Konto ist gesperrt",
                complaint="Ich habe mich einige Male vertippt, nun ist mein Konto im Portal gesperrt.",
                question="Mit welcher Adresse melden Sie sich an, und steht eine Uhrzeit in der Meldung?",
                reply="Mit dieser Adresse. Es heißt: in 24 Stunden erneut versuchen.",
                restatement="Sie können sich nach Fehlversuchen nicht anmelden und brauchen es heute. Richtig?",
                attempts=("Konto entsperrt", "neuen Link für das Kennwort geschickt"),
                solution="Das Konto ist wieder offen, das Kennwort ist neu gesetzt.",
            ),
        },
    ),
    Case(
        name="failing_hardware",
        category="hardware",
        product="terminal",
        skill="hardware",
        impact=2,
        urgency=2,
        hard=0.55,
        resolution_code="fixed",
        words={
            "en": Words(
                subject="The terminal restarts by itself",
                complaint="Our till terminal restarts several times a day, always in the middle of a payment.",
                question="Does the lamp at the back blink before it restarts, and does it feel hot?",
                reply="It blinks red twice, and yes, it is quite hot.",
                restatement="The terminal restarts under load, with two red blinks and heat, during payments. Right?",
                attempts=("checked the power supply", "updated the firmware", "read the error memory"),
                solution="The power supply was faulty and has been replaced.",
            ),
            "de": Words(
                subject="Das Terminal startet von selbst neu",
                complaint="Unser Kassenterminal startet mehrmals am Tag neu, immer mitten in einer Zahlung.",
                question="Blinkt die Lampe hinten vor dem Neustart, und ist das Gerät heiß?",
                reply="Sie blinkt zweimal rot, und ja, es ist ziemlich heiß.",
                restatement="Das Terminal startet unter Last neu, mit zweimal rot und Hitze. Richtig?",
                attempts=("Netzteil geprüft", "Firmware erneuert", "Fehlerspeicher gelesen"),
                solution="Das Netzteil war schadhaft und wurde ersetzt.",
            ),
        },
    ),
    Case(
        name="lost_sync",
        category="software",
        product="running-app",
        skill="mobile",
        impact=3,
        urgency=3,
        hard=0.35,
        resolution_code="workaround",
        words={
            "en": Words(
                subject="My runs do not reach the web",
                complaint="The app shows my runs, but since the update the web shows none of them.",
                question="Which version of the app is it, and what happens when you pull the list down?",
                reply="7.2. A wheel turns for a minute, then nothing.",
                restatement="Runs recorded with 7.2 stay on the phone; syncing by hand ends in nothing. Right?",
                attempts=("signed out and in again", "cleared the cache", "looked at the sync log"),
                solution="A damaged run blocked the queue; it was set aside, and all others are on the web.",
            ),
            "de": Words(
                subject="Meine Läufe kommen nicht im Web an",
                complaint="Die App zeigt meine Läufe, seit dem Update fehlen sie aber im Web.",
                question="Welche Version hat die App, und was geschieht, wenn Sie die Liste herunterziehen?",
                reply="7.2. Ein Rad dreht sich eine Minute, dann nichts.",
                restatement="Läufe aus 7.2 bleiben auf dem Telefon, auch von Hand. Richtig?",
                attempts=("ab- und angemeldet", "Zwischenspeicher geleert", "Protokoll angesehen"),
                solution="Ein beschädigter Lauf hielt alle auf; er liegt nun beiseite, der Rest ist im Web.",
            ),
        },
    ),
    Case(
        name="console_offline",
        category="network",
        product="console",
        skill="network",
        impact=2,
        urgency=3,
        hard=0.5,
        resolution_code="configuration",
        words={
            "en": Words(
                subject="The console cannot reach the server",
                complaint="Since this morning the console says that it cannot reach the server. The television can.",
                question="Which code stands below the message, and is the console on the cable or on the air?",
                reply="NW-31. On the air, like everything else here.",
                restatement="Only the console is cut off, by air, with NW-31, since this morning. Right?",
                attempts=("restarted the router", "tested the name server", "opened the ports"),
                solution="The router had blocked the console after its update; the rule is gone.",
            ),
            "de": Words(
                subject="Die Konsole erreicht den Server nicht",
                complaint="Seit heute früh erreicht die Konsole den Server nicht. Der Fernseher schon.",
                question="Welcher Code steht unter der Meldung, und hängt sie am Kabel oder am Funk?",
                reply="NW-31. Am Funk, wie alles hier.",
                restatement="Nur die Konsole ist abgeschnitten, am Funk, mit NW-31. Richtig?",
                attempts=("Router neu gestartet", "Namensdienst geprüft", "Ports geöffnet"),
                solution="Der Router hatte die Konsole gesperrt; die Regel ist entfernt.",
            ),
        },
    ),
    Case(
        name="wrong_invoice",
        category="billing",
        product="subscription",
        skill="billing",
        impact=3,
        urgency=3,
        hard=0.25,
        resolution_code="answered",
        words={
            "en": Words(
                subject="I was charged twice",
                complaint="My bank shows two charges for this month, and I have only one subscription.",
                question="What are the last four digits of the card, and the dates of both charges?",
                reply="4417, on the 2nd and on the 3rd.",
                restatement="One subscription, two charges on following days on the same card. Right?",
                attempts=("compared the ledger", "asked the payment provider"),
                solution="The second one was a reservation that has expired; nothing was taken twice.",
            ),
            "de": Words(
                subject="Zweimal abgebucht",
                complaint="Meine Bank zeigt zwei Abbuchungen in diesem Monat, ich habe nur ein Abo.",
                question="Wie lauten die letzten vier Ziffern der Karte und die Tage der Buchungen?",
                reply="4417, am 2. und am 3.",
                restatement="Ein Abo, zwei Buchungen an folgenden Tagen auf derselben Karte. Richtig?",
                attempts=("Buch verglichen", "Zahlungsdienst gefragt"),
                solution="Die zweite war eine Vormerkung, die verfallen ist.",
            ),
        },
    ),
    Case(
        name="site_down",
        category="network",
        product="branch-vpn",
        skill="network",
        impact=1,
        urgency=1,
        hard=0.75,
        resolution_code="third_party_fixed",
        words={
            "en": Words(
                subject="Our branch is offline",
                complaint="Nobody in our branch can work: the tunnel to the head office is down.",
                question="Since when, and which lamps of the gateway are on?",
                reply="Since 8:10. Power is green, link is dark.",
                restatement="The whole branch has no tunnel since 8:10, and the line itself looks dead. Right?",
                attempts=("restarted the gateway", "checked the line with the carrier", "moved the tunnel"),
                solution="The carrier has mended a broken line card.",
            ),
            "de": Words(
                subject="Unsere Filiale ist ohne Netz",
                complaint="In unserer Filiale kann niemand arbeiten: Der Tunnel zur Zentrale steht nicht.",
                question="Seit wann, und welche Lampen leuchten?",
                reply="Seit 8:10. Strom ist grün, Leitung dunkel.",
                restatement="Die ganze Filiale ist seit 8:10 ohne Tunnel, die Leitung wirkt tot. Richtig?",
                attempts=("Gateway neu gestartet", "Leitung geprüft", "Tunnel verlegt"),
                solution="Der Anbieter hat eine defekte Leitungskarte ersetzt.",
            ),
        },
    ),
)
