"""Is the database there at all? It tells trouble of one transaction from trouble of all."""

from sqlalchemy import text

from common.database import Database
from common.errors import Unavailable


async def is_answering(database: Database) -> bool:
    """Whether the database answers: if so, what did not finish met a lock, a limit or a deadlock of its own."""
    try:
        async with database.read() as connection:
            await connection.execute(text("select 1"))
    except Unavailable:
        return False
    return True
