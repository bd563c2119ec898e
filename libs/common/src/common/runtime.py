"""What a worker role of a service is given, and what it is."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from common.clock import Clock
from common.database import Database
from common.settings import ServiceSettings


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What a role of a service is given. It calls `beat` at every turn and returns soon after `stopping` is set."""

    settings: ServiceSettings
    database: Database
    clock: Clock
    beat: Callable[[], None] = lambda: None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


Role = Callable[[Runtime], Awaitable[None]]
