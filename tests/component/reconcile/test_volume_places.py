"""Places on a volume: none stays empty while somebody stands in line."""

from __future__ import annotations

from trawler_operator.reconcile.volume_places import Party, VolumePlaces


def test_as_many_are_woken_as_places_are_free():
    """Two leave before the first in line has come: the second place is the second one's."""
    woken: list[str] = []
    places = VolumePlaces(2)
    a, b, c, d, e = (Party(name, lambda name=name: woken.append(name)) for name in "abcde")
    assert [places.take(party) for party in (a, b, c, d, e)] == [True, True, False, False, False]
    places.leave(a)
    assert woken == ["c"]
    places.leave(b)
    assert set(woken) == {"c", "d"}


def test_who_keeps_a_place_asks_again():
    places = VolumePlaces(1)
    party, other = Party("a", lambda: None), Party("b", lambda: None)
    assert [places.take(party), places.take(other), places.take(party)] == [True, False, True]


def test_who_is_woken_and_wants_none_passes_the_place_on():
    woken: list[str] = []
    places = VolumePlaces(1)
    a, b, c = (Party(name, lambda name=name: woken.append(name)) for name in "abc")
    for party in (a, b, c):
        places.take(party)
    places.leave(a)
    places.leave(b)
    assert woken == ["b", "c"]
