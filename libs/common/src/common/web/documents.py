"""What a service says about itself: its OpenAPI document and the JSON Schemas of its events."""

import msgspec
from fastapi import APIRouter, FastAPI, Response

from common.errors import NotFound
from common.web.access import needs_scope
from common.web.routes import ReadRoute
from contracts.documents import open_schema
from contracts.registry import EVENT_TYPES


def documents_router(app: FastAPI) -> APIRouter:
    """The routes; any valid key may read them."""
    router = APIRouter(route_class=ReadRoute, dependencies=[needs_scope()], tags=["documents"])

    @router.get("/openapi.json", include_in_schema=False)
    async def get_openapi() -> Response:
        return Response(msgspec.json.encode(app.openapi()), media_type="application/json")

    @router.get(
        "/v1/schemas/{event_type}",
        response_class=Response,
        responses={200: {"content": {"application/schema+json": {"schema": {"type": "object"}}}}},
    )
    async def get_event_schema(event_type: str) -> Response:
        """The JSON Schema of an event type's body, as integrators should read it: open to what comes later."""
        if event_type not in EVENT_TYPES:
            raise NotFound(f"no event type is named {event_type}")
        return Response(msgspec.json.encode(open_schema(event_type)), media_type="application/schema+json")

    return router
