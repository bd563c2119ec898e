"""schemathesis over a running service: what its OpenAPI document says, and what it does with everything else.

For each operation, requests that fit the document and requests that do not; every answer must be documented in
status, media type, headers and body, none may be a 5xx, and bad requests must be refused. Deterministic: the same
document gives the same requests.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    missing_required_header,
]
_NEVER_SENT = "Support-After"
"""A well-formed one names an event that never comes, and each such request waits for two seconds."""

_WAITS = [*range(1, 31), *map(str, range(1, 31))]


async def check_openapi(url: str, headers: Mapping[str, str], *, examples: int = 20) -> int:
    """Try every operation of the service at `url`; returns how many there are. Fails on the first fault.

    Args:
        headers: carry a key with every scope.
        examples: requests of each kind (fitting, not fitting) for each operation.
    """
    async with httpx.AsyncClient() as http:
        document = (await http.get(f"{url}/openapi.json", headers=dict(headers))).raise_for_status().json()
    return await asyncio.to_thread(_check, document, url, dict(headers), examples)


def _check(document: dict[str, Any], url: str, headers: dict[str, str], examples: int) -> int:
    count = 0
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        for mode in GenerationMode:
            _try(operation.as_strategy(generation_mode=mode), url, headers, examples)
        count += 1
    return count


def _try(cases: Any, url: str, headers: dict[str, str], examples: int) -> None:
    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=cases)
    def call(case: Case) -> None:
        case.headers.pop(_NEVER_SENT, None)
        if case.query.get("wait_s") in _WAITS:
            case.query["wait_s"] = 0  # a fitting wait is a wait, and nothing comes
        case.call_and_validate(base_url=url, headers=headers, checks=_CHECKS)

    call()
