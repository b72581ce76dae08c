"""Mutants: each takes back one correction, or breaks one promise, and tests must notice.

``scripts/mutants`` applies each to a copy of the package, by exact text, and runs the tests that it
names. A mutant whose text is gone is an error: correct it, or delete it with the code that it was
about.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "airflow_provider_trifacta"


@dataclass(frozen=True)
class Mutant:
    """One fault in the source.

    :param name: what the fault is, as a sentence
    :param file: the module, below the package
    :param old: the text to replace. It must be there exactly once
    :param new: what to put in its place
    :param tests: arguments of pytest: the tests of which at least one must fail
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, root: Path = ROOT) -> str:
        """Return the changed text of the module.

        :param root: where the package is
        :raises LookupError: the text to replace is not there exactly once
        """
        text = (root / PACKAGE / self.file).read_text()
        if text.count(self.old) != 1:
            raise LookupError(
                f"{self.name}: its text is {text.count(self.old)} times in {self.file}"
            )
        return text.replace(self.old, self.new)


def _contract(words: str) -> tuple[str, ...]:
    return ("tests/contract", "-k", words)


_NAME = "            self._name_release(made.id, result.primary_flow_ids)\n"
_PROVE = "            release, now = self._releases.prove(made, seen)\n"

MUTANTS = [
    # What the server said decides.
    Mutant(
        "A 4xx of a gateway is a verdict of the API",
        "client/failures.py",
        "    if _is_of_a_gateway(answer.status, from_api):\n",
        "    if False:\n",
        ("tests/client/test_responses.py", "-k", "test_a_4xx_of_a_gateway_is_no_word_of_the_api"),
    ),
    Mutant(
        "A gateway's 4xx proves that a change was not made",
        "client/retries.py",
        "    return 400 <= error.status < 500 and (error.from_api or error.status in"
        " REFUSED_BY_FORM)\n",
        "    return 400 <= error.status < 500\n",
        ("tests/client/test_transport.py", "-k", "test_what_an_answer_proves"),
    ),
    Mutant(
        "The name of an exception does not decide before its status",
        "client/failures.py",
        '    status = _STATUS_OF_NAME.get(name or "", answer.status) if from_api else'
        " answer.status\n",
        "    status = answer.status\n",
        ("tests/client/test_responses.py", "-k", "test_some_names_of_exceptions"),
    ),
    Mutant(
        "A change goes out on a connection that was kept from a read",
        "client/adapter.py",
        "        if exchange.alone and connection.sock is not None:\n",
        "        if False:\n",
        ("tests/client/test_adapter.py", "-k", "kept or new_connection"),
    ),
    Mutant(
        "The 201 proves a release only with the uuid of the package",
        "promotion/uploads.py",
        "            return _release_of(now, made.id, made.package_uuid)\n",
        "            return _release_of(now, made.id, self.uuid)\n",
        ("tests/promotion/test_own_uuids.py", "-k", "test_two_promotions_are_created"),
    ),
    Mutant(
        "A release is named only after it was read back",
        "promotion/promoter.py",
        f"{_NAME}{_PROVE}",
        f"{_PROVE}{_NAME}",
        (
            "tests/promotion/test_own_uuids.py",
            "-k",
            "test_the_release_is_named_before_anything_can_fail",
        ),
    ),
    Mutant(
        "Another uuid proves another package on every instance",
        "promotion/uploads.py",
        "        shows_package_uuids = any(release.package_uuid == self.uuid for release in"
        " listed)\n",
        "        shows_package_uuids = True\n",
        ("tests/promotion/test_own_uuids.py", "-k", "killed_after_its_answer"),
    ),
    Mutant(
        "A uuid of the time of the import shows the time of an export",
        "client/models.py",
        "        return time if self.created_at - time > _SHORTEST_TRIP else None\n",
        "        return time\n",
        (
            "tests/promotion/test_own_uuids.py",
            "tests/client/test_models.py",
            "-k",
            "export or older or promotions",
        ),
    ),
    Mutant(
        "A release is adopted after one look",
        "promotion/uploads.py",
        "        self.client.clock.sleep(INTERVAL)\n"
        "        return self.look(down_to_id, at_once)\n",
        "        return self.look(down_to_id, at_once)\n",
        ("tests/promotion/test_own_uuids.py", "-k", "test_a_release_that_vanishes_is_not_adopted"),
    ),
    Mutant(
        "A release that was live and is not any more is a success",
        "promotion/uploads.py",
        "        if was_live:\n            raise self.not_live(release, now)\n",
        "        if was_live:\n            return release, now\n",
        _contract("create and person and retry"),
    ),
    Mutant(
        "A baseline of another deployment is not refused",
        "operators/activation.py",
        "                baseline.refuse_other(deployment_id, words, release_id=release_id)\n",
        "                pass\n",
        (
            "tests/operators/test_baselines.py",
            "-k",
            "test_a_release_of_another_deployment_is_not_activated",
        ),
    ),
    # An end that is true.
    Mutant(
        "A step before the upload gives a proven release up",
        "promotion/ending.py",
        "    if steps.proven and not failed and not jobs_failed:\n",
        "    if steps.proven and not steps.bad:\n",
        (
            "tests/promotion/test_ending.py",
            "tests/operators/test__group.py",
            "-k",
            "proven or cleared_and_fails",
        ),
    ),
    Mutant(
        "A wait that a person marked as failed is overruled",
        "promotion/ending.py",
        '        return self.states[wait] == "failed" and gave_up_on_these\n',
        '        return self.states[wait] == "failed"\n',
        (
            "tests/operators/test__group.py",
            "-k",
            "test_a_wait_that_a_person_marks_is_not_overruled",
        ),
    ),
    Mutant(
        "What the rollback noted counts, also if another release is live now",
        "promotion/ending.py",
        "    went_back = end.rolled_back_id is not None and whose is Live.RECORDED\n",
        "    went_back = end.rolled_back_id is not None\n",
        (
            "tests/operators/test__group.py",
            "-k",
            "test_what_the_rollback_said_counts_only_if_the_read_agrees",
        ),
    ),
    Mutant(
        "Nothing live after an outage is told as the release before",
        "promotion/ending.py",
        "    if none_live and was_live and not went_back:\n",
        "    if False:\n",
        (
            "tests/promotion/test_ending.py",
            "tests/operators/test__group.py",
            "-k",
            "nothing_live or deleted",
        ),
    ),
    # Who asked for this try, and what is under way.
    Mutant(
        "After the first of two lists of rules, a refusal says that nothing was changed and takes"
        " the note back",
        "operators/import_rules.py",
        "                    rules.set(attempt.push, states)\n",
        "                    try:\n"
        "                        rules.set(attempt.push, states)\n"
        "                    except errors.TrifactaError as error:\n"
        "                        error.standing = 'Nothing was changed.'\n"
        "                        tries.journal.part('object').withdraw()\n"
        "                        raise\n",
        _contract("rules and second"),
    ),
    Mutant(
        "A retry takes itself for a clear",
        "promotion/tries.py",
        "        return Kind.RETRY if facts.max_tries in earlier else Kind.CLEAR\n",
        "        return Kind.CLEAR if facts.looks_cleared else Kind.RETRY\n",
        _contract("activate and lowered"),
    ),
    Mutant(
        "A clear takes itself for a retry",
        "promotion/tries.py",
        "        return Kind.RETRY if facts.max_tries in earlier else Kind.CLEAR\n",
        "        return Kind.RETRY\n",
        _contract("deactivate and person and clear"),
    ),
    Mutant(
        "A clear starts a run again before a person could read of the lost answer",
        "promotion/run_once.py",
        "        if is_unread and not is_retry:\n",
        "        if False:\n",
        _contract("run and killed and clear"),
    ),
    Mutant(
        "A retry waits although its journal proves that nothing was asked for",
        "promotion/promoter.py",
        "        if self._same_is_abandoned or not"
        " self.tries.journal.nothing_asked(**self._request):\n",
        "        if True:\n",
        _contract("create and killed and once and retry"),
    ),
    Mutant(
        "A clear of jobs that still run starts them again",
        "promotion/run_once.py",
        "        if is_retry or self._any_runs(job_group_ids):\n",
        "        if is_retry:\n",
        _contract("run and soon"),
    ),
    Mutant(
        "The second flow of a retry has the execution id of the first",
        "promotion/run_once.py",
        "        return str(uuid5(UUID(first), str(number))) if first and number else first\n",
        "        return first\n",
        _contract("flows and done"),
    ),
    # The promises.
    Mutant(
        "At most one release: an upload in doubt counts as not done",
        "client/retries.py",
        '    if getattr(error, "unsent", False):\n        return True\n',
        '    if getattr(error, "unsent", False) or not isinstance(error, APIError):\n        return'
        " True\n",
        _contract("create and lost"),
    ),
    Mutant(
        "A way back without an answer does not block the next upload",
        "promotion/staged.py",
        "        settle_switch(self.client, self.deployment_id, self._way_back)\n",
        "        pass\n",
        ("tests/promotion/test_staged.py", "-k", "test_a_way_back_without_an_answer"),
    ),
    Mutant(
        "A retry that finds its change made does not look for another import",
        "promotion/switch.py",
        "    if newest is None:\n        return\n",
        "    return\n",
        _contract("overlapped"),
    ),
    Mutant(
        "A person's decision: a retry of a switch does not compare what is live with its note",
        "promotion/switch.py",
        "        if now.state(self.target) != noted:\n",
        "        if False:\n",
        _contract("activate and person and retry"),
    ),
    Mutant(
        "A person's decision: a retry stages a release that a person has activated",
        "promotion/staged.py",
        '        if was_put_back:\n            log.info(\n                "An earlier try staged',
        '        if False:\n            log.info(\n                "An earlier try staged',
        _contract("staged and person"),
    ),
    Mutant(
        "Green only for what was read back: rules are taken as written",
        "promotion/set_rules.py",
        "            if self._as_declared(now):\n",
        "            if True:\n",
        _contract("rules and lost"),
    ),
    Mutant(
        "Every statement is true: the end tells what the baseline recorded as what is live",
        "promotion/status.py",
        "            live_release_id=end.now.live_id if end.now else None,\n",
        "            live_release_id=self.recorded_id,\n",
        (
            "tests/operators/test__group.py",
            "-k",
            "test_a_promotion_that_is_kept or test_what_a_person_made_live",
        ),
    ),
    Mutant(
        "A waiting task changes nothing: a killed wait cancels the jobs unasked",
        "operators/_running.py",
        "        if self.cancel_on_kill and watch and watch.client:\n",
        "        if watch and watch.client:\n",
        ("tests/operators/test_run.py", "-k", "test_a_killed_task_cancels_only_if_asked"),
    ),
    Mutant(
        "Credentials never leave: a redirect may take them to another host",
        "client/adapter.py",
        "    if not old or not new or old.host != new.host:\n        return False\n",
        "    if not old or not new:\n        return False\n    return True\n",
        ("tests/client/test_transport.py", "-k", "test_credentials_never or test_no_redirect"),
    ),
    Mutant(
        "Credentials never leave: a run parameter with a secret name is no secret",
        "operators/_running.py",
        "        return client.hiding(self._hidden)\n",
        "        return client\n",
        ("tests/foreign_words/test_media.py", "-k", "test_a_secret_parameter"),
    ),
    Mutant(
        "Credentials never leave: the password of a URL is shown",
        "client/foreign_words.py",
        "        text = _WORD.sub(_without_password, text)\n",
        "",
        ("tests/foreign_words/test_media.py", "-k", "test_the_credentials_of_a_url"),
    ),
    Mutant(
        "A foreign word ends a task: an XCom is pushed as it is",
        "operators/_base.py",
        "            xcom = self.xcoms[key] = storable(value)\n",
        "            xcom = self.xcoms[key] = value\n",
        ("tests/foreign_words/test_media.py", "-k", "ends_no_task"),
    ),
    Mutant(
        "A foreign word writes into an approval: its backticks end the code",
        "client/foreign_words.py",
        """.replace("`", "'").strip()\n""",
        ".strip()\n",
        ("tests/foreign_words/test_media.py", "-k", "test_markdown"),
    ),
]
