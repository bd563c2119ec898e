"""Log lines of services, JSON objects for machines, told to people."""

from typing import Any

import msgspec

_TOLD_APART = ("timestamp", "level", "event", "service", "exception")


def readable(line: str) -> str:
    """A line as people read it: time, level, what happened and its fields; other lines as they are."""
    try:
        fields = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return line
    when = str(fields.get("timestamp", ""))[11:23]
    rest = " ".join(f"{name}={value}" for name, value in fields.items() if name not in _TOLD_APART)
    told = f"{when} {fields.get('level', ''):7} {fields.get('event', '')}  {rest}".rstrip()
    return f"{told}\n{fields['exception']}" if fields.get("exception") else told


def sentence(line: str) -> str:
    """What a line says, without its fields."""
    try:
        return str(msgspec.json.decode(line, type=dict[str, Any]).get("event", line))
    except msgspec.DecodeError:
        return line
