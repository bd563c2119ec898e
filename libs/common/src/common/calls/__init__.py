"""Commands from one service to another, by REST: a row in the transaction that wants it, sent after that by a worker.

Nothing remote happens inside a transaction. `add_calls` writes rows; the worker role that `caller` makes sends them,
each with its id as Idempotency-Key, and tells the `CallKind` what came of every attempt, in the transaction that
settles it. A crash anywhere sends the call again with the same key, so the other side does it once. Calls have no
order among each other: where one must follow another, the first one's `heard` adds the second.

A caller who waits for the answer, as a proxy does, sends a call by `Peers` itself, while no transaction is open.
"""

from common.calls.call import Call, CallKind, CallOutcome, Reply
from common.calls.caller import caller
from common.calls.sending import Peers
from common.calls.store import add_calls, cancel_calls, delete_call

__all__ = ["Call", "CallKind", "CallOutcome", "Peers", "Reply", "add_calls", "caller", "cancel_calls", "delete_call"]
