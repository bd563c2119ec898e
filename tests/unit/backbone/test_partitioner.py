"""Our partitioner gives what aiokafka's default gives, for any key: a second producer must never disagree."""

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as theirs
from hypothesis import given
from hypothesis import strategies as st

from common.backbone.partitioner import murmur2, partition_of
from common.ids import new_id


@given(st.binary(max_size=100))
def test_the_hash_is_theirs(key: bytes) -> None:
    assert murmur2(key) == theirs(key)


@given(st.text(max_size=60), st.integers(1, 200))
def test_the_partition_is_theirs(key: str, partitions: int) -> None:
    everything = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key.encode(), everything, everything)


def test_known_values_of_the_java_client() -> None:
    """Source: org.apache.kafka.common.utils.UtilsTest.testMurmur2."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    assert {key: murmur2(key) for key in known} == {key: value % 2**32 for key, value in known.items()}


def test_keys_spread_over_all_partitions() -> None:
    assert {partition_of(str(new_id()), 24) for _ in range(2_000)} == set(range(24))
