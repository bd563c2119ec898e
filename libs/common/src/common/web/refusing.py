"""The answer to a refused request: a page where a person asked by a public route, else a problem document."""

from starlette.datastructures import Headers
from starlette.responses import Response

from common.errors import FrontlineError
from common.web.context import RequestContext
from common.web.problems import problem_response, status_of


def answer_refusal(
    error: FrontlineError, *, context: RequestContext, headers: Headers, path: str, allow: str = ""
) -> Response:
    """The answer.

    Args:
        headers: those of the request.
        allow: the methods that exist, with 405.
    """
    page = context.refusal_page and context.refusal_page(error, status_of(error), path, headers)
    if page:
        return page
    return problem_response(error, instance=path, trace_id=context.trace_id, request_id=context.request_id, allow=allow)
