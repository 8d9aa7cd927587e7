import pytest

from federation.shares import in_share, position, route

KEYS = [f"job-{i}" for i in range(20_000)]


def test_a_share_is_as_large_as_it_says_and_stays_the_same():
    chosen = [key for key in KEYS if in_share(key, "shadow", 0.1)]
    assert len(chosen) == pytest.approx(2000, rel=0.07)
    assert chosen == [key for key in KEYS if in_share(key, "shadow", 0.1)]


def test_a_larger_share_holds_the_smaller_one():
    small = {key for key in KEYS if in_share(key, "canary", 0.05)}
    large = {key for key in KEYS if in_share(key, "canary", 0.2)}
    assert small < large


def test_purposes_are_independent():
    a = {key for key in KEYS if in_share(key, "a", 0.3)}
    b = {key for key in KEYS if in_share(key, "b", 0.3)}
    assert len(a & b) == pytest.approx(0.09 * len(KEYS), rel=0.1)


def test_routes_follow_their_shares():
    shares = {"old": 0.7, "new": 0.2, "newest": 0.1}
    routed = [route(key, "version", shares) for key in KEYS]
    for name, share in shares.items():
        assert routed.count(name) == pytest.approx(share * len(KEYS), rel=0.07)


def test_nobody_and_everybody():
    assert not any(in_share(key, "x", 0.0) for key in KEYS[:1000])
    assert all(in_share(key, "x", 1.0) for key in KEYS[:1000])
    assert 0 <= position("k", "p") < 1


@pytest.mark.parametrize("bad", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}])
def test_shares_that_do_not_add_up_are_refused(bad):
    with pytest.raises(ValueError, match="adding up"):
        route("k", "p", bad)


def test_a_share_out_of_range_is_refused():
    with pytest.raises(ValueError, match="0 - 1"):
        in_share("k", "p", 1.1)
