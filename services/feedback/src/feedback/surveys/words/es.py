"""Spanish."""

from feedback.policies.domain import SurveyKind
from feedback.surveys.words.shape import Words

WORDS = Words(
    invitation=(
        "¿Qué le pareció nuestra ayuda con su solicitud FL-{number}?\n\n"
        "Díganoslo, le llevará menos de un minuto:\n{url}\n\n"
        "Abrir la página no envía nada; solo lo hace su respuesta."
    ),
    reminder=(
        "Todavía nos gustaría saber qué le pareció nuestra ayuda con su solicitud FL-{number}.\n\n"
        "{url}\n\nNo volveremos a preguntarle por esta solicitud."
    ),
    title="¿Cómo lo hemos hecho?",
    about="Su solicitud FL-{number}",
    questions={
        SurveyKind.CSAT_5: "¿Qué grado de satisfacción tiene con la ayuda recibida?",
        SurveyKind.THUMBS: "¿Le ha servido nuestra ayuda?",
        SurveyKind.NPS_11: "¿Qué probabilidad hay de que nos recomiende?",
        SurveyKind.CES_7: "Le hemos facilitado la solución de su solicitud. ¿Está de acuerdo?",
    },
    csat_labels=("Muy insatisfecho", "Insatisfecho", "Ni lo uno ni lo otro", "Satisfecho", "Muy satisfecho"),
    thumbs_labels=("No", "Sí"),
    ces_labels=(
        "Totalmente en desacuerdo",
        "En desacuerdo",
        "Más bien en desacuerdo",
        "Ni lo uno ni lo otro",
        "Más bien de acuerdo",
        "De acuerdo",
        "Totalmente de acuerdo",
    ),
    nps_ends=("0: nada probable", "10: muy probable"),
    required="obligatorio",
    reasons_question="¿Qué fue lo decisivo?",
    optional="opcional",
    reasons={
        "solution": "La solución",
        "speed": "La rapidez",
        "clarity": "La claridad",
        "friendliness": "La amabilidad",
        "effort": "El esfuerzo que me supuso",
    },
    comment_label="¿Desea añadir algo?",
    comment_hint="No escriba contraseñas ni números de tarjeta.",
    send="Enviar mi respuesta",
    privacy="Su respuesta llega al equipo de soporte y a nadie más.",
    opt_out_question="¿Prefiere que no le preguntemos?",
    opt_out="No preguntarme más",
    opted_out_title="No le preguntaremos más",
    opted_out="No recibirá más preguntas sobre su satisfacción. Sus solicitudes no se ven afectadas.",
    thanks_title="Gracias",
    thanks="Hemos recibido su respuesta.",
    your_answer="Su respuesta: {score}",
    consent_question="Lo sentimos. ¿Quiere que volvamos a abrir su solicitud?",
    consent_hint="Alguien del equipo continuará entonces con ella. Solo ocurre si responde que sí.",
    consent_yes="Sí, ábranla de nuevo",
    consent_no="No, déjenla cerrada",
    consent_send="Enviar",
    consented="Volvemos a abrir su solicitud y nos pondremos en contacto con usted.",
    change="Cambiar mi respuesta",
    change_hint="Puede cambiar su respuesta durante 24 horas.",
    send_change="Enviar la respuesta cambiada",
    unknown_title="Este enlace no lleva a ninguna parte",
    unknown="No conocemos ninguna pregunta en esta dirección. Quizá el enlace se cortó: "
    "ábralo desde el mensaje, por favor.",
    expired_title="Esta pregunta ha terminado",
    expired="El plazo para responder ha pasado. Si necesita ayuda, responda simplemente a nuestro último mensaje.",
    cancelled_title="Esta pregunta ya no está abierta",
    cancelled="Hemos retirado la pregunta, por ejemplo porque su solicitud está abierta de nuevo.",
    refused_title="No ha funcionado",
    missing_score="Elija una de las valoraciones, por favor.",
    refused="No hemos podido leer su respuesta. Vuelva atrás e inténtelo de nuevo, por favor.",
    already_answered="Ya ha respondido. Puede cambiar su respuesta en la página.",
    answer_fixed="Su respuesta tiene más de 24 horas y ya no se puede cambiar.",
    failed_title="Algo ha fallado aquí",
    failed="Su respuesta no se ha guardado. Inténtelo de nuevo en unos minutos, por favor.",
    back="Volver a la pregunta",
)
