"""The journal: what it proves, what it does not, and what it never keeps."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_trifacta.client.errors import JournalUnavailableError
from airflow_provider_trifacta.promotion.journal import KEY, Journal, digest_of

pytestmark = pytest.mark.every_airflow

ONE, OTHER = {"what": "create", "package_uuid": "a"}, {"what": "create", "package_uuid": "b"}


def test_without_a_store_only_a_first_try_proves_that_nothing_was_asked_for():
    first, second = Journal(None, 1), Journal(None, 2)
    for one in (first, second):
        one.open()
        one.asked(ONE, live=1)
        one.answered(release_id=2)
        assert not one.exists
    assert Journal(None, 1).nothing_asked(**ONE)
    assert not Journal(None, 2).nothing_asked(**ONE)


def test_every_earlier_try_has_to_be_there(journal):
    assert journal().nothing_asked(**ONE)
    assert journal().nothing_asked(**ONE)
    journal.skip()
    assert not journal().nothing_asked(**ONE)
    assert not journal().nothing_asked(**ONE), "the gap stays"


def test_a_store_that_was_emptied_proves_nothing(journal):
    """Airflow does that after a success (``clear_on_success``), or when the notes are old."""
    journal().asked(ONE)
    journal.store.set(KEY, None)
    two = journal()
    assert not two.nothing_asked(**ONE)


def test_an_entry_counts_for_exactly_its_request(journal):
    one = journal()
    one.asked(ONE, live=1)
    one.answered(release_id=2, flows=[3])
    again = journal()
    assert not again.nothing_asked(**ONE)
    assert again.nothing_asked(**OTHER)
    assert again.entry(**OTHER) is None
    entry = again.entry(**ONE)
    assert (entry.before, entry.answer) == ({"live": 1}, {"release_id": 2, "flows": [3]})
    assert again.last_request == ONE


def test_the_next_request_takes_the_place_of_the_last(journal):
    one = journal()
    one.asked(ONE)
    one.answered(release_id=2)
    one.asked(OTHER)
    again = journal()
    assert again.entry(**ONE) is None
    assert again.entry(**OTHER).answer == {}


def test_what_was_answered_is_added_to(journal):
    one = journal()
    one.asked(ONE)
    one.answered(release_id=2)
    one.answered(put_back=True)
    assert journal().entry(**ONE).answer == {"release_id": 2, "put_back": True}


def test_what_was_provably_not_done_is_taken_back(journal):
    one = journal()
    one.asked(ONE)
    one.withdraw()
    assert journal().nothing_asked(**ONE)


def test_a_store_that_cannot_be_read_stops_a_try_before_it_sends_anything(journal):
    journal.store.get = lambda _key, _default=None: 1 / 0
    with pytest.raises(JournalUnavailableError) as caught:
        journal()
    assert caught.value.retryable


def test_a_store_that_takes_no_note_stops_a_request(journal):
    one = journal()
    journal.store.broken = True
    for note in (journal, lambda: one.asked(ONE)):
        with pytest.raises(JournalUnavailableError) as caught:
            note()
        assert caught.value.retryable


def test_a_store_that_fails_after_the_request_is_only_warned_of(journal, caplog):
    caplog.set_level(logging.WARNING)
    one = journal()
    one.asked(ONE)
    journal.store.broken = True
    one.answered(release_id=2)
    one.withdraw()
    assert len(caplog.records) == 2


@pytest.mark.parametrize("found", [None, [], "x", {"opened": 1}, {"opened": None}, {}])
def test_a_document_of_another_kind_proves_nothing(store, found):
    store.set(KEY, found)
    one = Journal(store, 2)
    one.open()
    assert not one.nothing_asked(**ONE)


def test_a_digest_tells_parameters_apart_and_does_not_hold_them():
    secret = {"region": "02", "token": "very-secret"}
    assert digest_of(secret) == digest_of(dict(reversed(secret.items())))
    assert digest_of(secret) != digest_of({**secret, "region": "2"})
    assert "very-secret" not in digest_of(secret)


def test_a_doubt_that_an_earlier_try_left_outlives_a_refusal(journal):
    journal().asked(ONE, live=1)
    two = journal()
    earlier = two.entry(**ONE)
    two.asked(ONE, live=2)
    two.withdraw(ONE, earlier)
    entry = journal().entry(**ONE)
    assert (entry.before, entry.answer) == ({"live": 1}, {})
