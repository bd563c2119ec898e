"""The contract as it was released, version by version: never changed afterwards, and what every later one is held to.

A release is a folder named by its version: `asyncapi.json`, the whole contract as published, and `events/`, one golden
event for each type that came or changed with it.
"""

from pathlib import Path
from typing import cast

import msgspec

from contracts.asyncapi import VERSION, asyncapi
from contracts.compatibility import list_breaks
from contracts.documents import Json
from contracts.envelope import as_json, decode_event
from contracts.examples import example_record
from contracts.registry import EVENT_TYPES

RELEASED = Path(__file__).resolve().parents[2] / "released"

Version = tuple[int, int, int]


class NotReleasable(ValueError):
    """The present contract cannot be released; each argument says one reason."""


def version_of(text: str) -> Version:
    """ "1.2.0" as (1, 2, 0).

    Raises:
        ValueError: it is not three numbers with dots between.
    """
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise ValueError(f"a version is three numbers with dots between, and {text!r} is not")
    major, minor, patch = map(int, parts)
    return major, minor, patch


def list_releases(folder: Path) -> list[tuple[Version, Json]]:
    """Version and AsyncAPI document of each release, oldest first; empty where there is none."""
    found = [(version_of(path.parent.name), _read(path)) for path in folder.glob("*/asyncapi.json")]
    return sorted(found, key=lambda release: release[0])


def list_faults(folder: Path, document: Json) -> list[str]:
    """Why the present contract cannot stand beside the releases of its major; empty where it can.

    Args:
        document: the present contract, as `present` gives it; `info.version` says its version.
    """
    version = version_of(cast("str", cast("Json", document["info"])["version"]))
    faults: list[str] = []
    newest: tuple[Version, Json] | None = None
    for number, released in list_releases(folder):
        if number[0] != version[0]:
            continue
        newest = number, released
        faults += [f"breaks {_text(number)}: {each}" for each in list_breaks(released, document)]
    if newest is None:
        return faults
    if version < newest[0]:
        faults.append(f"version {_text(version)} is older than {_text(newest[0])}, which is released")
    elif version == newest[0] and document != newest[1]:
        faults.append(f"{_text(version)} is released and says something else: raise VERSION in contracts/asyncapi.py")
    elif version[:2] == newest[0][:2] and (more := _shapes(document).keys() - _shapes(newest[1]).keys()):
        faults.append(f"{', '.join(sorted(more))} came since {_text(newest[0])}: raise the minor part of VERSION")
    return faults


def present() -> Json:
    """The contract as this code publishes it, as a reader of its JSON sees it."""
    return msgspec.json.decode(msgspec.json.encode(asyncapi()), type=dict[str, object])


def release(folder: Path) -> Path:
    """Freeze the present contract as the release of its version, with its golden events; returns the folder made.

    Raises:
        NotReleasable: it breaks a former release, or its version is released already.
    """
    document = present()
    if faults := list_faults(folder, document):
        raise NotReleasable(*faults)
    target = folder / VERSION
    if (target / "asyncapi.json").exists():
        raise NotReleasable(f"{VERSION} is released already: raise VERSION in contracts/asyncapi.py")
    former = [_shapes(released) for _, released in list_releases(folder)]
    shapes = _shapes(document)
    events = target / "events"
    events.mkdir(parents=True, exist_ok=True)
    for event_type in sorted(EVENT_TYPES):
        # What came already in this very form has its golden event there.
        if not any(shapes[event_type] == each.get(event_type) for each in former):
            path = events / f"{event_type}.json"
            if not path.exists():
                path.write_text(written(as_json(decode_event(*example_record(event_type)))))
    (target / "asyncapi.json").write_text(written(document))
    return target


def written(document: Json) -> str:
    """A document as its file holds it: indented JSON with a line's end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _shapes(document: Json) -> dict[str, object]:
    """The payload's schema by type, with all that it refers to and without words for people."""
    components = cast("Json", document["components"])
    messages = cast("dict[str, Json]", components["messages"])
    schemas = cast("Json", components["schemas"])
    return {name: _shape(message["payload"], schemas) for name, message in messages.items()}


def _shape(schema: object, schemas: Json) -> object:
    if isinstance(schema, list):
        return [_shape(each, schemas) for each in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    found = cast("Json", schema)
    if "$ref" in found:
        return _shape(schemas[cast("str", found["$ref"]).rpartition("/")[2]], schemas)
    return {
        word: {name: _shape(each, schemas) for name, each in cast("Json", value).items()}
        if word == "properties"
        else _shape(value, schemas)
        for word, value in found.items()
        if word not in ("title", "description")
    }


def _read(path: Path) -> Json:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, object])


def _text(version: Version) -> str:
    return ".".join(map(str, version))
