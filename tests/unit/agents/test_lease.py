"""One bulk transfer at a time per node."""

from agents.lease import Lease


def test_one_holder_at_a_time_and_renewing_is_allowed() -> None:
    lease = Lease()
    assert lease.take("a", 2.0, now_s=0.0)
    assert not lease.take("b", 2.0, now_s=1.0)
    assert lease.take("a", 2.0, now_s=1.0)
    assert not lease.take("b", 2.0, now_s=2.9)


def test_it_ends_by_itself_or_when_given_back() -> None:
    lease = Lease()
    lease.take("a", 2.0, now_s=0.0)
    assert lease.take("b", 2.0, now_s=2.0)
    lease.release("a")
    assert not lease.take("c", 2.0, now_s=2.0)
    lease.release("b")
    assert lease.take("c", 2.0, now_s=2.0)
