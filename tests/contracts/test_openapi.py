"""The OpenAPI document of each service, held to the specification by a validator that is not ours."""

from pathlib import Path

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from common.clock import SystemClock
from common.database import Database
from common.service import Runtime, create_api
from common.web.clients import create_key
from tests.support.services import SERVICES, compose


@pytest.mark.parametrize("name", SERVICES)
def test_the_document_is_valid(name: str, tmp_path: Path) -> None:
    clients_file, clock = tmp_path / "clients.json", SystemClock()
    create_key(clients_file, "anybody", scopes=["tickets:read"], now=clock.now())
    service = compose(name, clients_file=clients_file)
    database = Database.from_settings(service.settings.database, clock=clock, source="", application_name="")
    app = create_api(service, Runtime(settings=service.settings, database=database, clock=clock))
    document = msgspec.json.decode(msgspec.json.encode(app.openapi()))
    assert document["openapi"].startswith("3.1.")
    assert document["paths"]
    faults = [
        f"{'/'.join(map(str, fault.path))}: {fault.message}"
        for fault in OpenAPIV31SpecValidator(document).iter_errors()
    ]
    assert faults == []
