"""Which partition a key belongs to: Kafka's murmur2, as Java's and aiokafka's default partitioners have it.

Every producer that ever writes to one of our topics must agree on it, or the order of a subject breaks without a word.
"""

from functools import lru_cache
from struct import unpack_from

_M = 0x5BD1E995
_MASK = 0xFFFFFFFF
_SEED = 0x9747B28C


def murmur2(data: bytes) -> int:
    """Kafka's hash of a key, as an unsigned number of 32 bits.

    Source: org.apache.kafka.common.utils.Utils.murmur2.
    """
    length = len(data)
    whole = length >> 2
    h = _SEED ^ length
    for k in unpack_from(f"<{whole}I", data):
        k = k * _M & _MASK
        h = (h * _M & _MASK) ^ ((k ^ (k >> 24)) * _M & _MASK)
    rest = data[whole << 2 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int) -> int:
    """The partition of a key among so many."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions
