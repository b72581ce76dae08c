"""Each cell of the contract: one change, one event, with and without the journal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_trifacta.client import errors
from contract.changes import CHANGES
from contract.events import EVENTS, Event
from contract.mutants import MUTANTS
from contract.rows import FORGETS, PENDING, ROWS, Cell, cell_of, has_row
from contract.table import PAGE, REASONS, block_of, differing, table
from contract.truth import says_how_production_stands


def _marks(cell_id: str, *, journal: bool) -> list[pytest.MarkDecorator]:
    # The cells without the journal are what the older lines of Airflow do.
    marks = [] if journal else [pytest.mark.slow, pytest.mark.every_airflow]
    missing = [reason for reason, ids in PENDING.items() if cell_id in ids]
    marks += [
        pytest.mark.xfail(reason=f"PENDING: {reason}", raises=AssertionError, strict=True)
        for reason in missing
    ]
    return marks


def _cells() -> list[object]:
    cells = []
    for name, event in (
        (name, event) for name in CHANGES for event in EVENTS if has_row(name, event)
    ):
        # Without a second try, nothing depends on the journal.
        for journal in (True, False) if event.then else (True,):
            cell_id = f"{name}: {event}, {'with the journal' if journal else 'without it'}"
            marks = _marks(cell_id, journal=journal)
            cells.append(pytest.param(name, event, journal, id=cell_id, marks=marks))
    return cells


@pytest.mark.parametrize(("name", "event", "journal"), _cells())
def test_a_change_keeps_its_contract(start_world, store, name, event, journal):
    change = CHANGES[name]
    world = start_world(change, store if journal else None)
    # What each error says is compared with the server when it is raised.
    ended = event.play(world, change)
    undone = event.person and not change.stands(world)
    ends = ended.outcome or type(ended.error).__name__
    assert Cell(ends, change.made(world), undone) == cell_of(name, event, journal=journal), (
        ended.error
    )
    # A run pushes no outcome: it only returns it.
    assert ended.pushed.get("outcome", ended.outcome) == ended.outcome
    check_what_was_sent(world, change, event, journal=journal)
    if ended.outcome and not event.person:
        assert change.is_as_wanted(world)
    if ended.error:
        check_error(world, change, event, ended)


def check_what_was_sent(world, change, event, *, journal):
    """Check that no try sends a change twice, and that one that stops or finds it done sends
    nothing. With a journal, a retry does not send again what was done, and waits for nothing where
    nothing was asked."""
    # A request with an execution id is sent again: the server takes it once.
    most = 2 if "execution_ids" not in change.options and change.name in ("flows", "recipe") else 1
    assert all(one.sent <= most for one in world.tries)
    last = world.tries[-1]
    if last.outcome in ("unchanged", "reused", "joined"):
        assert last.sent == 0
        assert last.writes == 0 or event.fault != "done"
    if journal and event.then == "retry":
        assert last.sent == 0 or not event.second
        assert last.waited == 0 or event.fault not in ("killed at once", "busy")
    if isinstance(last.error, (errors.InterruptedChangeError, errors.ReleaseNotLiveError)):
        assert last.sent == 0


def check_error(world, change, event, ended):
    """Check whether Airflow retries it, its fields, and that it says how production stands."""
    error = ended.error
    assert ended.final == (not error.retryable)
    stops = (
        errors.InterruptedChangeError,
        errors.ReleaseNotLiveError,
        errors.UnexpectedLiveReleaseError,
        errors.AmbiguousSubmissionError,
    )
    # What the server does later, or does not show, no error can name.
    shows = not event.outage and event.fault != "lost and late"
    if isinstance(error, stops) and shows:
        assert change.names(world, error), vars(error)
    if event.outage:
        assert error.standing, "the last words are that nobody could connect"
    assert says_how_production_stands(error), error


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_is_made_twice_and_no_retry_undoes_a_decision(name):
    """So the rows themselves say."""
    parts = CHANGES[name].parts
    for event in (event for event in EVENTS if has_row(name, event)):
        for journal in (True, False):
            cell, clears = (
                cell_of(name, event, journal=journal),
                {"clear": 1, "two clears": 2}.get(event.then, 0),
            )
            if journal or name not in FORGETS:
                assert cell.made <= parts * (1 + clears), event
                assert not cell.undone or clears, event


def test_lowered_retries_make_a_retry_no_clear():
    """The rows of an event with lowered retries are those of the event itself."""
    lowered = [event for event in EVENTS if event.lowered]
    assert lowered
    assert {replace(event, lowered=False) for event in lowered} <= set(EVENTS)


def test_what_is_pending_is_a_cell():
    ids = {cell.id for cell in _cells()}
    assert {cell_id for pending in PENDING.values() for cell_id in pending} <= ids


def test_each_row_is_of_an_event():
    names = {str(event) for event in EVENTS}
    assert {event for rows in ROWS.values() for event in rows} <= names
    assert set(ROWS) == set(CHANGES)


def test_each_change_has_rows_for_retry_and_clear():
    for name in CHANGES:
        for then in ("retry", "clear"):
            assert has_row(name, Event("killed after", then))


def test_the_guide_has_the_table():
    """``PYTHONPATH=tests python -m contract.table`` writes it."""
    assert block_of(PAGE.read_text()).strip() == table().strip()


def test_what_stops_a_clear_stops_one_only():
    for name in CHANGES:
        assert cell_of(name, Event("killed after", "two clears"), journal=True).green


def test_each_cell_that_differs_from_the_sentence_has_a_reason():
    assert set(REASONS) == differing()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_text_of_each_mutant_is_there(mutant):
    """``scripts/mutants`` runs them."""
    compile(mutant.applied(), mutant.file, "exec")


def test_the_mutants_have_names_of_their_own():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 25
