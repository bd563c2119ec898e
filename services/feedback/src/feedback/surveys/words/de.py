"""German."""

from feedback.policies.domain import SurveyKind
from feedback.surveys.words.shape import Words

WORDS = Words(
    invitation=(
        "Wie zufrieden sind Sie mit unserer Hilfe bei Ihrer Anfrage FL-{number}?\n\n"
        "Bitte sagen Sie es uns, es dauert keine Minute:\n{url}\n\n"
        "Das Öffnen der Seite sendet nichts; erst Ihre Antwort tut es."
    ),
    reminder=(
        "Wir wüssten noch immer gern, wie zufrieden Sie mit unserer Hilfe bei Ihrer Anfrage FL-{number} sind.\n\n"
        "{url}\n\nZu dieser Anfrage fragen wir nicht noch einmal."
    ),
    title="Wie waren wir?",
    about="Ihre Anfrage FL-{number}",
    questions={
        SurveyKind.CSAT_5: "Wie zufrieden sind Sie mit der Hilfe, die Sie bekommen haben?",
        SurveyKind.THUMBS: "Hat Ihnen unsere Hilfe genützt?",
        SurveyKind.NPS_11: "Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen?",
        SurveyKind.CES_7: "Wir haben es Ihnen leicht gemacht, eine Lösung zu bekommen. Stimmen Sie zu?",
    },
    csat_labels=("Sehr unzufrieden", "Unzufrieden", "Teils, teils", "Zufrieden", "Sehr zufrieden"),
    thumbs_labels=("Nein", "Ja"),
    ces_labels=(
        "Stimme gar nicht zu",
        "Stimme nicht zu",
        "Stimme eher nicht zu",
        "Teils, teils",
        "Stimme eher zu",
        "Stimme zu",
        "Stimme völlig zu",
    ),
    nps_ends=("0: sehr unwahrscheinlich", "10: sehr wahrscheinlich"),
    required="erforderlich",
    reasons_question="Was gab den Ausschlag?",
    optional="freiwillig",
    reasons={
        "solution": "Die Lösung",
        "speed": "Die Geschwindigkeit",
        "clarity": "Die Verständlichkeit",
        "friendliness": "Die Freundlichkeit",
        "effort": "Mein eigener Aufwand",
    },
    comment_label="Möchten Sie etwas hinzufügen?",
    comment_hint="Bitte schreiben Sie keine Passwörter und keine Kartennummern.",
    send="Antwort senden",
    privacy="Ihre Antwort geht an das Support-Team und an niemanden sonst.",
    opt_out_question="Sie möchten nicht gefragt werden?",
    opt_out="Nicht mehr fragen",
    opted_out_title="Wir fragen Sie nicht mehr",
    opted_out="Sie bekommen keine Fragen zu Ihrer Zufriedenheit mehr. Auf Ihre Anfragen hat das keinen Einfluss.",
    thanks_title="Vielen Dank",
    thanks="Ihre Antwort ist bei uns angekommen.",
    your_answer="Ihre Antwort: {score}",
    consent_question="Das tut uns leid. Sollen wir Ihre Anfrage wieder öffnen?",
    consent_hint="Jemand aus dem Team arbeitet dann daran weiter. Das geschieht nur, wenn Sie Ja sagen.",
    consent_yes="Ja, bitte wieder öffnen",
    consent_no="Nein, geschlossen lassen",
    consent_send="Senden",
    consented="Wir öffnen Ihre Anfrage wieder und melden uns bei Ihnen.",
    change="Antwort ändern",
    change_hint="Sie können Ihre Antwort 24 Stunden lang ändern.",
    send_change="Geänderte Antwort senden",
    unknown_title="Dieser Link führt nirgendwohin",
    unknown="Hinter dieser Adresse kennen wir keine Frage. Vielleicht wurde der Link abgeschnitten: "
    "Bitte öffnen Sie ihn aus der Nachricht.",
    expired_title="Diese Frage ist beendet",
    expired="Die Zeit für eine Antwort ist vorbei. Wenn Sie Hilfe brauchen, antworten Sie einfach auf unsere "
    "letzte Nachricht.",
    cancelled_title="Diese Frage ist nicht mehr offen",
    cancelled="Wir haben die Frage zurückgenommen, etwa weil Ihre Anfrage wieder offen ist.",
    refused_title="Das hat nicht geklappt",
    missing_score="Bitte wählen Sie eine der Bewertungen aus.",
    refused="Wir konnten Ihre Antwort nicht lesen. Bitte gehen Sie zurück und versuchen Sie es noch einmal.",
    already_answered="Sie haben schon geantwortet. Auf der Seite können Sie Ihre Antwort ändern.",
    answer_fixed="Ihre Antwort ist älter als 24 Stunden und kann nicht mehr geändert werden.",
    failed_title="Hier ist etwas schiefgegangen",
    failed="Ihre Antwort wurde nicht gespeichert. Bitte versuchen Sie es in einigen Minuten noch einmal.",
    back="Zurück zur Frage",
)
