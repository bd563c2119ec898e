"""English."""

from feedback.policies.domain import SurveyKind
from feedback.surveys.words.shape import Words

WORDS = Words(
    invitation=(
        "How did we do with your request FL-{number}?\n\nPlease tell us, it takes less than a minute:\n{url}\n\n"
        "Opening the page sends nothing; only your answer does."
    ),
    reminder=(
        "We would still like to know how we did with your request FL-{number}.\n\n{url}\n\n"
        "We will not ask again about this request."
    ),
    title="How did we do?",
    about="Your request FL-{number}",
    questions={
        SurveyKind.CSAT_5: "How satisfied are you with the help that you got?",
        SurveyKind.THUMBS: "Did we help you?",
        SurveyKind.NPS_11: "How likely are you to recommend us to a friend or colleague?",
        SurveyKind.CES_7: "We made it easy for you to get your request solved. Do you agree?",
    },
    csat_labels=("Very dissatisfied", "Dissatisfied", "Neither", "Satisfied", "Very satisfied"),
    thumbs_labels=("No", "Yes"),
    ces_labels=(
        "Strongly disagree",
        "Disagree",
        "Rather disagree",
        "Neither",
        "Rather agree",
        "Agree",
        "Strongly agree",
    ),
    nps_ends=("0: not at all likely", "10: extremely likely"),
    required="required",
    reasons_question="What decided it?",
    optional="optional",
    reasons={
        "solution": "The solution",
        "speed": "The speed",
        "clarity": "How clear it was",
        "friendliness": "The friendliness",
        "effort": "The effort it took",
    },
    comment_label="Would you like to add something?",
    comment_hint="Please write no passwords and no card numbers.",
    send="Send my answer",
    privacy="Your answer goes to the support team and to nobody else.",
    opt_out_question="You would rather not be asked?",
    opt_out="Do not ask me any more",
    opted_out_title="We will not ask you any more",
    opted_out="You get no more questions about how satisfied you are. Your requests are not affected.",
    thanks_title="Thank you",
    thanks="Your answer has reached us.",
    your_answer="Your answer: {score}",
    consent_question="We are sorry. Shall we open your request again?",
    consent_hint="Somebody of the team then goes on with it. This happens only if you say yes.",
    consent_yes="Yes, please open it again",
    consent_no="No, leave it closed",
    consent_send="Send",
    consented="We open your request again and get back to you.",
    change="Change my answer",
    change_hint="You can change your answer for 24 hours.",
    send_change="Send the changed answer",
    unknown_title="This link leads nowhere",
    unknown="We know no question behind this address. Perhaps the link was cut off: please open it from the message.",
    expired_title="This question has ended",
    expired="The time for an answer is over. If you need help, please simply reply to our last message.",
    cancelled_title="This question is no longer open",
    cancelled="We have taken the question back, for instance because your request is open again.",
    refused_title="That did not work",
    missing_score="Please choose one of the ratings.",
    refused="We could not read your answer. Please go back and try again.",
    already_answered="You have answered already. You can change your answer on the page.",
    answer_fixed="Your answer is more than 24 hours old and can no longer be changed.",
    failed_title="Something went wrong here",
    failed="Your answer was not saved. Please try again in a few minutes.",
    back="Back to the question",
)
