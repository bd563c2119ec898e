"""What a run does in which order, and that nothing is left out without a word."""

from itertools import islice

from tests.faults.plan import CLUSTER, CLUSTER_MIXED, MIXED, SINGLE, Planned, Session, plan_sessions


def sessions(*, only: tuple[str, ...] = (), minutes: float = 0.0) -> list[Session]:
    return list(plan_sessions(7, only=only, minutes=minutes))


def names(session: Session) -> list[str]:
    return [planned.name for planned in session.windows]


def test_a_plain_run_makes_every_fault_of_one_broker_and_then_those_of_a_cluster() -> None:
    alone, cluster = sessions()
    assert (alone.on_cluster, cluster.on_cluster) == (False, True)
    assert names(alone) == [*(fault.name for fault in SINGLE), "mixed-1", "mixed-7"]
    assert names(cluster) == [fault.name for fault in CLUSTER]


def test_faults_that_are_asked_for_run_where_they_can() -> None:
    assert [names(session) for session in sessions(only=("latency", "leader_moves"))] == [["latency"], ["leader_moves"]]
    assert [names(session) for session in sessions(only=("leader_moves",))] == [["leader_moves"]]
    assert [names(session) for session in sessions(only=("cluster_mixed",))] == [["cluster_mixed-1", "cluster_mixed-7"]]


def test_a_soak_draws_the_same_from_the_same_seed_and_ends_on_a_cluster() -> None:
    def drawn() -> list[list[Planned]]:
        return [list(islice(session.windows, 20)) for session in sessions(minutes=1.0)]

    alone, cluster = drawn()
    assert [alone, cluster] == drawn()
    assert {planned.fault for planned in alone} > {MIXED}
    assert {planned.fault for planned in cluster} <= {*CLUSTER, CLUSTER_MIXED}
    assert all(1.0 <= planned.patience <= 4.0 for planned in alone)
    assert len({planned.name for planned in (*alone, *cluster)}) == 40
