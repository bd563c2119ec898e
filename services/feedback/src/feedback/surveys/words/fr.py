"""French."""

from feedback.policies.domain import SurveyKind
from feedback.surveys.words.shape import Words

WORDS = Words(
    invitation=(
        "Êtes-vous satisfait de notre aide pour votre demande FL-{number} ?\n\n"
        "Dites-le-nous, cela prend moins d'une minute :\n{url}\n\n"
        "Ouvrir la page n'envoie rien ; seule votre réponse est envoyée."
    ),
    reminder=(
        "Nous aimerions toujours savoir si vous êtes satisfait de notre aide pour votre demande FL-{number}.\n\n"
        "{url}\n\nNous ne vous le demanderons plus pour cette demande."
    ),
    title="Comment avons-nous fait ?",
    about="Votre demande FL-{number}",
    questions={
        SurveyKind.CSAT_5: "Dans quelle mesure êtes-vous satisfait de l'aide reçue ?",
        SurveyKind.THUMBS: "Notre aide vous a-t-elle été utile ?",
        SurveyKind.NPS_11: "Quelle est la probabilité que vous nous recommandiez ?",
        SurveyKind.CES_7: "Nous avons facilité la résolution de votre demande. Êtes-vous d'accord ?",
    },
    csat_labels=("Très insatisfait", "Insatisfait", "Ni l'un ni l'autre", "Satisfait", "Très satisfait"),
    thumbs_labels=("Non", "Oui"),
    ces_labels=(
        "Pas du tout d'accord",
        "Pas d'accord",
        "Plutôt pas d'accord",
        "Ni l'un ni l'autre",
        "Plutôt d'accord",
        "D'accord",
        "Tout à fait d'accord",
    ),
    nps_ends=("0 : pas du tout probable", "10 : extrêmement probable"),
    required="obligatoire",
    reasons_question="Qu'est-ce qui a été décisif ?",
    optional="facultatif",
    reasons={
        "solution": "La solution",
        "speed": "La rapidité",
        "clarity": "La clarté",
        "friendliness": "L'amabilité",
        "effort": "L'effort demandé",
    },
    comment_label="Souhaitez-vous ajouter quelque chose ?",
    comment_hint="N'écrivez ni mot de passe ni numéro de carte.",
    send="Envoyer ma réponse",
    privacy="Votre réponse est transmise à l'équipe d'assistance et à personne d'autre.",
    opt_out_question="Vous préférez ne pas être interrogé ?",
    opt_out="Ne plus me demander",
    opted_out_title="Nous ne vous demanderons plus",
    opted_out="Vous ne recevrez plus de questions sur votre satisfaction. Vos demandes ne sont pas concernées.",
    thanks_title="Merci",
    thanks="Votre réponse nous est parvenue.",
    your_answer="Votre réponse : {score}",
    consent_question="Nous en sommes désolés. Devons-nous rouvrir votre demande ?",
    consent_hint="Quelqu'un de l'équipe la reprend alors. Cela n'a lieu que si vous répondez oui.",
    consent_yes="Oui, veuillez la rouvrir",
    consent_no="Non, laissez-la fermée",
    consent_send="Envoyer",
    consented="Nous rouvrons votre demande et revenons vers vous.",
    change="Modifier ma réponse",
    change_hint="Vous pouvez modifier votre réponse pendant 24 heures.",
    send_change="Envoyer la réponse modifiée",
    unknown_title="Ce lien ne mène nulle part",
    unknown="Nous ne connaissons aucune question à cette adresse. Le lien a peut-être été coupé : "
    "veuillez l'ouvrir depuis le message.",
    expired_title="Cette question est terminée",
    expired="Le délai de réponse est passé. Si vous avez besoin d'aide, répondez simplement à notre dernier message.",
    cancelled_title="Cette question n'est plus ouverte",
    cancelled="Nous avons retiré la question, par exemple parce que votre demande est de nouveau ouverte.",
    refused_title="Cela n'a pas fonctionné",
    missing_score="Veuillez choisir l'une des notes.",
    refused="Nous n'avons pas pu lire votre réponse. Veuillez revenir en arrière et réessayer.",
    already_answered="Vous avez déjà répondu. Vous pouvez modifier votre réponse sur la page.",
    answer_fixed="Votre réponse date de plus de 24 heures et ne peut plus être modifiée.",
    failed_title="Un problème est survenu",
    failed="Votre réponse n'a pas été enregistrée. Veuillez réessayer dans quelques minutes.",
    back="Retour à la question",
)
