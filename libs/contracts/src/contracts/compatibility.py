"""What a contract may not do to those who read events already: every break between two AsyncAPI documents, by name.

Both ways count. Who reads with the old schemas must accept what is sent now; who reads with the new ones must accept
what lies in topics and archives from before. So of a field that is published, nothing but its words may change; what
may come are topics, types, optional fields, and values of open enumerations. A keyword that this check does not know is
a break where it changes, and never passed over.
"""

from collections.abc import Iterator
from typing import cast

import msgspec

from contracts.documents import KNOWN_VALUES, Json

_WORDS_ONLY = frozenset({"title", "description", "summary", "examples", "deprecated", "$comment"})
_ALTERNATIVES = ("anyOf", "oneOf")
_WALKED = frozenset(
    {
        *_WORDS_ONLY,
        *_ALTERNATIVES,
        *("$ref", "type", "properties", "required", "items", "prefixItems", "additionalProperties", "default"),
        *("const", "enum", KNOWN_VALUES),
    }
)
_LOWER_BOUNDS = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_UPPER_BOUNDS = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})


class Break(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One thing that a reader relies on and that is not so any more."""

    path: str
    name: str
    said: str

    def __str__(self) -> str:
        return f"{self.path}: {self.name}: {self.said}"


class _Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The two documents, and the references followed on the way here: a schema may hold itself."""

    old: Json
    new: Json
    followed: frozenset[tuple[str, str]] = frozenset()


def list_breaks(old: Json, new: Json) -> list[Break]:
    """Everything in which the new contract breaks the old one; empty where every reader of the old one can stay.

    Args:
        old: an AsyncAPI document as `contracts.asyncapi` writes it, released before.
        new: such a document of now.
    """
    return sorted(set(_contract(_Pair(old=old, new=new))))


def _contract(documents: _Pair) -> Iterator[Break]:
    old_channels, new_channels = _members(documents.old, "channels"), _members(documents.new, "channels")
    for name, channel in old_channels.items():
        path = f"channels/{name}"
        if name in new_channels:
            yield from _channel(channel, new_channels[name], path)
        else:
            yield Break(path=path, name="removed", said="the topic is gone")
    old_messages, new_messages = _messages(documents.old), _messages(documents.new)
    for name in old_messages.keys() & new_messages.keys():
        for part in ("headers", "payload"):
            yield from _schema(old_messages[name][part], new_messages[name][part], f"{name} {part}", documents)
        for part in ("contentType", "key"):
            if old_messages[name][part] != new_messages[name][part]:
                yield _changed(f"{name} {part}", "changed", old_messages[name][part], new_messages[name][part])


def _channel(old: Json, new: Json, path: str) -> Iterator[Break]:
    for name in _members(old, "messages").keys() - _members(new, "messages").keys():
        yield Break(path=f"{path}/messages/{name}", name="removed", said="the topic does not carry the type any more")
    if old["address"] != new["address"]:
        yield _changed(f"{path}/address", "changed", old["address"], new["address"])
    partitions = [cast("Json", cast("Json", each["bindings"])["kafka"])["partitions"] for each in (old, new)]
    if partitions[0] != partitions[1]:
        yield _changed(f"{path}/bindings/kafka/partitions", "changed", *partitions)


def _messages(document: Json) -> dict[str, Json]:
    """By type: the schemas of headers and payload, the content type and the key, with what traits say laid in."""
    components = cast("Json", document["components"])
    found: dict[str, Json] = {}
    for name, message in _members(components, "messages").items():
        whole = dict(message)
        for trait in cast("list[Json]", message.get("traits", [])):
            whole = _target(document, cast("str", trait["$ref"])) | whole
        key = cast("Json", cast("Json", whole["bindings"])["kafka"])["key"]
        found[name] = {part: whole[part] for part in ("headers", "payload", "contentType")}
        found[name]["key"] = {word: value for word, value in cast("Json", key).items() if word not in _WORDS_ONLY}
    return found


def _schema(old: object, new: object, path: str, documents: _Pair) -> Iterator[Break]:
    """Breaks between two schemas at one place."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        if old != new:
            yield _changed(path, "changed", cast("object", old), new)
        return
    old_schema, new_schema = cast("Json", old), cast("Json", new)
    references = (str(old_schema.get("$ref", "")), str(new_schema.get("$ref", "")))
    if any(references):
        if references in documents.followed:
            return
        documents = msgspec.structs.replace(documents, followed=documents.followed | {references})
        old_schema, new_schema = _resolved(documents.old, old_schema), _resolved(documents.new, new_schema)
    if old_schema.get("default", ...) != new_schema.get("default", ...):
        yield _changed(path, "default changed", old_schema.get("default"), new_schema.get("default"))
    olds, news = _by_type(old_schema, documents.old), _by_type(new_schema, documents.new)
    yield from _types(olds, news, path)
    for kind in olds.keys() & news.keys():
        yield from _one_type(olds[kind], news[kind], path, documents)


def _types(olds: dict[str, Json], news: dict[str, Json], path: str) -> Iterator[Break]:
    gone, come = olds.keys() - news.keys(), news.keys() - olds.keys()
    if come == {"null"} and not gone:
        yield Break(path=path, name="made nullable", said="null may come where it never did")
    elif gone == {"null"} and not come:
        yield Break(path=path, name="null refused", said="null came before and is not allowed any more")
    elif gone or come:
        yield _changed(path, "retyped", " or ".join(olds), " or ".join(news))


def _one_type(old: Json, new: Json, path: str, documents: _Pair) -> Iterator[Break]:
    yield from _values(old, new, path)
    yield from _constraints(old, new, path)
    yield from _fields(old, new, path, documents)
    for word in ("items", "additionalProperties"):
        before, after = old.get(word, True), new.get(word, True)
        if after is False and before is not False:
            yield Break(path=f"{path}/{word}", name="closed", said="it was open to more and is not any more")
        else:
            yield from _schema(before, after, f"{path}/{word}", documents)
    before, after = (cast("list[object]", each.get("prefixItems", [])) for each in (old, new))
    if len(before) != len(after):
        yield _changed(f"{path}/prefixItems", "retyped", f"{len(before)} elements", f"{len(after)} elements")
    for index, (left, right) in enumerate(zip(before, after, strict=False)):
        yield from _schema(left, right, f"{path}/prefixItems/{index}", documents)


def _values(old: Json, new: Json, path: str) -> Iterator[Break]:
    if old.get("const", ...) != new.get("const", ...):
        yield _changed(f"{path}/const", "const changed", old.get("const"), new.get("const"))
    for word in ("enum", KNOWN_VALUES):
        before, after = (cast("list[object] | None", each.get(word)) for each in (old, new))
        if lost := [value for value in before or () if value not in (after or ())]:
            yield Break(path=f"{path}/{word}", name="enum shrunk", said=f"{_text(lost)} is gone")
    # An `enum` is closed: a reader may refuse any other value. Only the list of an open enumeration may grow or appear.
    before, after = (cast("list[object] | None", each.get("enum")) for each in (old, new))
    if before is None and after is not None:
        yield Break(path=f"{path}/enum", name="narrowed", said=f"only {_text(after)} is allowed now")
    elif before is not None and (more := [value for value in after or () if value not in before]):
        yield Break(path=f"{path}/enum", name="widened", said=f"{_text(more)} may come where the list was closed")


def _constraints(old: Json, new: Json, path: str) -> Iterator[Break]:
    """Every keyword that is not walked into must be as it was: readers hold us to it, and old events are held to it."""
    for word in sorted((old.keys() | new.keys()) - _WALKED):
        before, after = old.get(word), new.get(word)
        if before == after and word in old and word in new:
            continue
        name = "changed"
        if word not in old or word not in new:
            name = "narrowed" if word in new else "widened"
        elif word in _LOWER_BOUNDS | _UPPER_BOUNDS:
            rises = cast("float", after) > cast("float", before)
            name = "narrowed" if rises == (word in _LOWER_BOUNDS) else "widened"
        yield _changed(f"{path}/{word}", name, before, after)


def _fields(old: Json, new: Json, path: str, documents: _Pair) -> Iterator[Break]:
    old_fields, new_fields = _members(old, "properties"), _members(new, "properties")
    old_required, new_required = (set(cast("list[str]", each.get("required", []))) for each in (old, new))
    for name in old_fields:
        at = f"{path}/properties/{name}"
        if name in new_fields:
            yield from _schema(old_fields[name], new_fields[name], at, documents)
        else:
            yield Break(path=at, name="removed", said="the field is gone")
    for name in new_required - old_required:
        said = "events from before do not carry it" if name in old_fields else "a new field must be optional"
        yield Break(path=f"{path}/properties/{name}", name="newly required", said=said)
    for name in (old_required - new_required) & new_fields.keys():
        yield Break(path=f"{path}/properties/{name}", name="made optional", said="it may be absent where it never was")


def _by_type(schema: Json, document: Json) -> dict[str, Json]:
    """The schema's alternatives by JSON type: one for a plain schema, more for a union. "any" where no type is said."""
    union = next((word for word in _ALTERNATIVES if word in schema), None)
    found: dict[str, Json] = {}
    if union is None:
        types = schema.get("type", "any")
        for kind in cast("list[str]", types) if isinstance(types, list) else [str(types)]:
            found[kind] = schema
        return found
    around = {word: value for word, value in schema.items() if word != union}
    for branch in cast("list[Json]", schema[union]):
        for kind, alternative in _by_type(_resolved(document, around | branch), document).items():
            # Two alternatives of one type are told apart by their order.
            place = kind if kind not in found else f"{kind} {len(found)}"
            found[place] = alternative
    return found


def _resolved(document: Json, schema: Json) -> Json:
    """The schema with what its reference points to laid in; what stands beside a reference counts first."""
    if "$ref" not in schema:
        return schema
    beside = {word: value for word, value in schema.items() if word != "$ref"}
    return _resolved(document, _target(document, cast("str", schema["$ref"]))) | beside


def _target(document: Json, reference: str) -> Json:
    found = document
    for part in reference.removeprefix("#/").split("/"):
        found = cast("Json", found[part])
    return found


def _members(holder: Json, name: str) -> dict[str, Json]:
    return cast("dict[str, Json]", holder.get(name, {}))


def _changed(path: str, name: str, old: object, new: object) -> Break:
    return Break(path=path, name=name, said=f"{_text(old)} became {_text(new)}")


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
