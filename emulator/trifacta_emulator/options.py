"""What the emulated instance is, and what it does where the vendor's documents are silent."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, get_args, get_origin, get_type_hints

from trifacta_emulator.checks import check, check_choice, check_parameters, check_seconds
from trifacta_emulator.clock import Clock, WholeSeconds, utc_now


@dataclass(frozen=True)
class User:
    """A person of the emulated workspace; its id is its position in the list of users, from 1.

    :param email: sign-in name
    :param password: password for Basic authentication
    :param roles: some of ``admin``, ``deployment``, ``wrangler``, ``dataAdmin``, ``user``
        [P: AAC25]
    """

    email: str
    password: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class PresetToken:
    """An access token that exists from the start.

    :param value: the secret after ``Bearer``
    :param email: email of its user
    :param expires_at: time with a time zone; ``None`` = never
    """

    value: str
    email: str
    expires_at: datetime | None = None


@dataclass(frozen=True)
class PresetConnection:
    """A connection that exists from the start.

    :param name: display name
    :param uuid: ``None`` = a new one at each start
    :param type: e.g. ``jdbc``
    :param vendor: e.g. ``postgres``
    """

    name: str
    uuid: str | None = None
    type: str = "jdbc"
    vendor: str = "postgres"


@dataclass(frozen=True)
class PresetFlow:
    """A flow that exists from the start.

    :param name: display name
    :param connections: names of connections of the instance. Without a ``dataset_path`` the flow's
        dataset reads a table of the first one
    :param dataset_path: the file its dataset reads
    :param output_path: the file its output writes
    :param adhoc_output: add a manual output, which a deployment can run [R: D64]
    :param description: free text
    :param owner: email of a user; ``None`` = the first one
    :param shared_with: emails of users who may read, run and export it too
    :param dataset_parameters: default values of the parameters that ``dataset_path`` has in braces,
        by name
    """

    name: str
    connections: tuple[str, ...] = ()
    dataset_path: str | None = None
    output_path: str | None = None
    adhoc_output: bool = True
    description: str = ""
    owner: str | None = None
    shared_with: tuple[str, ...] = ()
    dataset_parameters: Mapping[str, str] = field(default_factory=dict)


#: Editions whose documents list no deployments. The words are those of real packages [P: VC].
CLOUD_EDITIONS = ("Dataprep", "SaaS")
#: All editions. ``Premium`` is [M]; the others are words of real packages [P: VC].
EDITIONS = ("Enterprise", "Premium", *CLOUD_EDITIONS)
_ROLES = ("admin", "deployment", "wrangler", "dataAdmin", "user")
DEFAULT_USERS = (
    User("admin@example.com", "admin-password", ("admin", "deployment")),
    User("author@example.com", "author-password"),
)


@dataclass(frozen=True, kw_only=True)
class EmulatorOptions:
    """Options of the emulator.

    The options from ``unauthorized_body`` on are choices: open questions of the vendor's documents.
    The default is our reading. A client must handle every value.

    :param product_version: release of the instance. It decides which packages can be imported and
        the shape of the answer to an import. Packages before 6.8 need the same release and build.
        Later packages need the same or a later release [R: SMC97 import-flow]. A build may follow:
        ``6.0.1+235.20190426172824.493d6f8``
    :param edition: edition of the instance, in any case of letters: one of :data:`EDITIONS`.
        ``Dataprep`` and ``SaaS``, the cloud editions, have no Deployment Manager: their documents
        list no such call [I]. Imports compare it before 6.8 only
    :param deployment_manager: off = an instance without Deployment Manager, in any edition. It does
        not know the paths of deployments and releases [P: AYX]
    :param instance_type: who may use deployments: ``dev`` no user, ``prod`` every user, ``both``
        users with the Deployment role [R: SMC97 configure-deployment-manager]. The vendor's default
        is ``dev``, which has nothing to emulate. Our default is ``both``
    :param users: people who may sign in
    :param tokens: access tokens that exist from the start
    :param connections: connections that exist from the start
    :param flows: flows that exist from the start
    :param clock: gives the time for all dates, the expiry of tokens and the progress of jobs
    :param api_tokens_enabled: workspace setting *API Access Token*; off disables all tokens
        [R: SMC97]
    :param user_tokens_allowed: workspace setting *Allow users to generate access tokens*; off
        (default, as documented) = only administrators may [R: SMC97]
    :param max_token_lifetime_days: workspace setting; ``-1`` = unlimited [R: SMC97]
    :param import_enabled: workspace setting *Import*; off refuses every upload. The need for the
        setting is documented [R: SMC97 configure-deployment-manager]; the 403 is our choice [?]
    :param export_enabled: workspace setting *Export*; off refuses every export, also with 403
    :param missing_paths: files or folders that do not exist, each a path or a URI. A job fails when
        it reads a dataset from there
    :param job_start_seconds: how long a job group stays ``Created``, by the clock
    :param job_run_seconds: how long it stays ``InProgress`` after that. Then it ends
    :param unauthorized_body: body of a 401: the exception as JSON, or plain text
    :param bad_token_status: status for an access token that is unknown, expired or deleted. ``400``
        comes with the name ``InvalidAccessTokenException``, as a client of 6.4.2 and 7.1 expects it
        [P: SAA]. ``401`` has the body of ``unauthorized_body`` [?]
    :param list_lag_seconds: how long a list over the API does not show a change, by the clock. What
        a request reads by its id is up to date, except that a deleted object is served for that
        long too [P: AYX]
    :param whole_seconds: all times end in ``.000Z``, as in the cloud [P: AYX]
    :param unknown_id_status: status for an id that never existed. 404 is recorded [P: AYX]; the
        vendor's table also has 400 and 403 [P: AAC25]
    :param unknown_flow_status: the same for a flow, where 403 is recorded [P: AYX]
    :param deleted_id_status: status for a soft-deleted id
    :param inactive_value: what ``active`` shows for an inactive release; ``null`` was seen
        [R: VS-143186685]
    :param flow_patch_body: body of the answer to PATCH of a flow: the ``short`` one of other PATCH
        calls [I], or ``empty``: the page says "None" [R: D64]
    :param file_inputs: ``inputs`` of a job group that reads files: ``serve`` them, or ``refuse``
        with a 400 [P: AYX]
    :param releases_order: order of a list of releases without ``sort``
    :param latest_release: show ``latestRelease`` of a deployment as an object or as an id
    :param counts_on_create: POST deployments also answers ``numReleases`` and ``latestRelease``
    :param unique_deployment_names: refuse a second deployment of the same name with 400
    :param delete_active_release: allow deleting the active release, or refuse it with 400
    :param releases_need_deployment_id: GET releases without ``deploymentId`` is a 400 rather than a
        list of all
    :param list_releases_route: also serve GET deployments/:id/releases [M]
    :param release_list: how the releases of a deployment can be listed. Both ways are on one page
        of 6.4.2 [R: D64]; that an instance may have only one is [?]. ``embed`` = only with the
        deployment, as ``embed=releases``: GET releases is an unknown path. ``plain`` = only by GET
        releases: the association ``releases`` is unknown
    :param embed_paging: ``limit``/``offset`` of GET deployments/:id page the embedded releases
    :param import_rules_readable: GET of a deployment's import rules works [M]; off answers 404
    :param unmapped_connections: what becomes of a connection that no object rule maps and whose
        uuid no local connection has. ``keep`` its exported id, a broken reference [I]; ``clear``
        the id; ``refuse`` the import with 400
    :param unknown_rule_target: an object rule matches, but maps to no local connection or to
        several: ``refuse`` the import with 400, or ``ignore`` the rule
    :param dry_run_errors: a dry run that finds an error answers 400 (``status``), or 200 with the
        same body (``body``)
    :param package_uuid: ``packageUuid`` of a release: that of its ``package`` [I], or a new one of
        its ``own``, of the time of the import. No recorded pair of a package and its release
        exists, so ``own`` is our choice [?]
    :param replacing_touches_updated_at: a release that another one replaces gets a new
        ``updatedAt`` [I]. Off is our choice [?]: only the release that a request names gets one
    :param release_notes: ``comment`` = the package's comment, or the primary flow's name without
        one; ``flow_name`` = always that name [I]
    :param run_without_output: run of a deployment without an active release or manual output, or of
        a flow without a manual output: ``refuse`` it with 400, or answer 201 and an ``empty`` list
    :param run_answer: answer to a run: ``v4`` as on the page [R: D64]; with ``jobs`` in each
        element, as the page's table says; or with the ``flow_run``, as in later releases [P: AAC25]
    :param canceled_word: spelling of ``Canceled``; both were seen [P: AAC25, DBT]
    :param cancel_status: status of the answer to a cancellation; 202 in some builds [M]
    :param job_error_shape: ``errorMessage`` of a job as text, or as an object [P: AAC25]
    :param run_release_flows: whether a flow of a release, or its recipe, can be run by itself. No
        page says it [?]; ``refuse`` answers 403
    :param execution_ids: whether a run of a flow or a recipe counts its ``x-execution-id``, and the
        description of the API names that header [P: AAC25]; or ``ignore`` it, as a release that
        does not know it may do [?]
    :param flow_run_name: name of the run of a flow in a job group: ``flowrun`` [P: AAC25] or
        ``flowRun`` [P: SO]
    :param release_row: whether a release is in lists ``with_import``, or ``before_import``: while
        the rest of its package is still imported, for 0.24 s [P: SEED], inactive and without its
        flows. If the import is refused then, it vanishes. Whether an import is one transaction is
        not known [?]
    :param import_hold_up: when a plain import that lacks mappings is held up, so that nothing is
        imported: ``from_ui`` = only with ``fromUI=true`` [P: AAC25], or ``always`` [?]
    """

    product_version: str = "9.7.0"
    edition: str = "Enterprise"
    deployment_manager: bool = True
    instance_type: Literal["both", "prod", "dev"] = "both"
    users: tuple[User, ...] = DEFAULT_USERS
    tokens: tuple[PresetToken, ...] = ()
    connections: tuple[PresetConnection, ...] = ()
    flows: tuple[PresetFlow, ...] = ()
    clock: Clock = utc_now
    api_tokens_enabled: bool = True
    user_tokens_allowed: bool = False
    max_token_lifetime_days: int = -1
    import_enabled: bool = True
    export_enabled: bool = True
    missing_paths: tuple[str, ...] = ()
    job_start_seconds: float = 0.5
    job_run_seconds: float = 1.5
    unauthorized_body: Literal["json", "text"] = "json"
    bad_token_status: Literal[401, 400] = 401
    list_lag_seconds: float = 0.0
    whole_seconds: bool = False
    unknown_id_status: Literal[404, 403, 400] = 404
    unknown_flow_status: Literal[403, 404, 400] = 403
    deleted_id_status: Literal[410, 404] = 410
    inactive_value: Literal[None, False] = None
    flow_patch_body: Literal["short", "empty"] = "short"
    file_inputs: Literal["serve", "refuse"] = "serve"
    releases_order: Literal["newest", "oldest"] = "newest"
    latest_release: Literal["object", "id"] = "object"
    counts_on_create: bool = False
    unique_deployment_names: bool = False
    delete_active_release: Literal["allow", "refuse"] = "allow"
    releases_need_deployment_id: bool = False
    list_releases_route: bool = False
    release_list: Literal["both", "embed", "plain"] = "both"
    embed_paging: bool = True
    import_rules_readable: bool = True
    unmapped_connections: Literal["keep", "clear", "refuse"] = "keep"
    unknown_rule_target: Literal["refuse", "ignore"] = "refuse"
    dry_run_errors: Literal["status", "body"] = "status"
    package_uuid: Literal["package", "own"] = "package"
    replacing_touches_updated_at: bool = True
    release_notes: Literal["comment", "flow_name"] = "comment"
    run_without_output: Literal["refuse", "empty"] = "refuse"
    run_answer: Literal["v4", "jobs", "flow_run"] = "v4"
    canceled_word: Literal["Canceled", "Cancelled"] = "Canceled"
    cancel_status: Literal[200, 202] = 200
    job_error_shape: Literal["text", "object"] = "text"
    run_release_flows: Literal["allow", "refuse"] = "allow"
    execution_ids: Literal["count", "ignore"] = "count"
    flow_run_name: Literal["flowrun", "flowRun"] = "flowrun"
    release_row: Literal["with_import", "before_import"] = "with_import"
    import_hold_up: Literal["from_ui", "always"] = "from_ui"

    def __post_init__(self) -> None:
        for name, allowed in choices().items():
            _check_option(name, getattr(self, name), allowed)
        for name in ("job_start_seconds", "job_run_seconds", "list_lag_seconds"):
            check_seconds(name, getattr(self, name))
        if self.whole_seconds:
            object.__setattr__(self, "clock", WholeSeconds(self.clock))
        check(all(self.missing_paths), "a missing path is empty")
        object.__setattr__(self, "edition", edition_of(self.edition))
        check_users(self.users)
        emails = {user.email for user in self.users}
        for token in self.tokens:
            check(token.email in emails, f"token of an unknown user: {token.email}")
        for flow in self.flows:
            self._check_flow(flow, emails)
        uuids = set()
        for connection in self.connections:
            taken = connection.uuid is not None and connection.uuid in uuids
            check(not taken, "two connections have the same uuid")
            uuids.add(connection.uuid)

    @staticmethod
    def _check_flow(flow: PresetFlow, emails: Container[str]) -> None:
        if flow.owner is not None:
            check(flow.owner in emails, f"flow of an unknown user: {flow.owner}")
        for email in flow.shared_with:
            check(email in emails, f"flow of an unknown user: {email}")
        check(flow.name, "a flow has no name")
        check_parameters(flow.dataset_path, flow.dataset_parameters)

    @property
    def has_deployments(self) -> bool:
        """Whether the instance has a Deployment Manager."""
        return self.deployment_manager and self.edition not in CLOUD_EDITIONS

    @property
    def has_release_list(self) -> bool:
        """Whether GET releases lists releases."""
        return self.release_list != "embed"


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What a server does beside the emulated instance.

    :param name: of the instance, for people; ``None`` = its address alone
    :param admin_token: who sends it as ``Authorization: Bearer`` may change the emulator, from any
        machine. ``None`` = everybody on this machine may
    :param allowed_hosts: names and addresses in ``Host`` that it serves beside this machine's own
    """

    name: str | None = None
    admin_token: str | None = None
    allowed_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check(self.name is None or self.name.strip(), "the name of the instance is empty")
        if self.admin_token is not None:
            valid = self.admin_token.isascii() and self.admin_token.isprintable()
            check(
                valid and _is_stripped(self.admin_token),
                "the admin token must be printable ASCII without spaces around it",
            )
        for host in self.allowed_hosts:
            check(_is_stripped(host), "an allowed host is empty")


def _is_stripped(text: str) -> bool:
    """Tell whether a text is not empty and has no spaces around it."""
    return text.strip() == text != ""


def _check_option(name: str, value: Any, allowed: Sequence[Any]) -> None:
    for choice in allowed:
        # ``1 == True`` in Python, so the type must match too.
        if value == choice and type(value) is type(choice):
            return
    raise ValueError(f"{name} must be one of {allowed}, not {value!r}")


def edition_of(word: str) -> str:
    """Find an edition by its name in any case.

    :param word: the name
    :raises ValueError: it is not the name of an edition
    """
    names = {name.lower(): name for name in EDITIONS}
    check(word.lower() in names, f"edition must be one of {', '.join(EDITIONS)}, not {word!r}")
    return names[word.lower()]


def check_users(users: Sequence[User]) -> None:
    """Check the users of an instance.

    :param users: the users
    :raises ValueError: there is none, two have the same email, or a role is unknown
    """
    for user in users:
        for role in user.roles:
            check_choice("a role", role, _ROLES)
    check(users, "at least one user is needed")
    emails = {user.email for user in users}
    check(len(emails) == len(users), "two users have the same email")


def choices() -> dict[str, tuple[Any, ...]]:
    """List the options with a closed set of values, by name."""
    hints = get_type_hints(EmulatorOptions)
    allowed: dict[str, tuple[Any, ...]] = {}
    for option in fields(EmulatorOptions):
        hint = hints[option.name]
        if hint is bool:
            allowed[option.name] = (True, False)
        elif get_origin(hint) is Literal:
            allowed[option.name] = get_args(hint)
    return allowed


#: By choice: the one observation of a real instance that would settle it, so that the choice can be
#: deleted.
SETTLED_BY: Mapping[str, str] = {
    "deployment_manager": "nothing: instances with and without it exist, so it stays",
    "instance_type": "nothing: it is a setting of the product, so it stays",
    "api_tokens_enabled": "nothing: it is a setting of the product, so it stays",
    "user_tokens_allowed": "nothing: it is a setting of the product, so it stays",
    "import_enabled": "the status of an upload where the setting Import is off",
    "export_enabled": "the status of an export where the setting Export is off",
    "unauthorized_body": "the body of a 401 for a wrong password, on a self-managed instance",
    "whole_seconds": "times of several rows of one list",
    "unknown_id_status": "GET of deployment 999999999",
    "unknown_flow_status": "GET of flow 999999999",
    "deleted_id_status": "GET of a release after its DELETE",
    "inactive_value": "GET of a release that is not live",
    "flow_patch_body": "the body of the answer to PATCH of a flow",
    "file_inputs": "GET of the inputs of a job group that read a file",
    "releases_order": "GET of the releases of a deployment that has two",
    "latest_release": "GET of a deployment that has a release",
    "counts_on_create": "the answer to POST of a deployment",
    "unique_deployment_names": "POST of a second deployment of the same name",
    "delete_active_release": "DELETE of the live release of a deployment that nobody uses",
    "releases_need_deployment_id": "GET /v4/releases without deploymentId",
    "list_releases_route": "GET /v4/deployments/:id/releases",
    "embed_paging": "embed=releases(limit=1) of a deployment that has two",
    "import_rules_readable": "GET of the import rules of a deployment",
    "unmapped_connections": "a dry run of a package whose connection no rule maps",
    "unknown_rule_target": "a dry run with a rule to a connection that does not exist",
    "dry_run_errors": "a dry run of a file that is no package",
    "release_notes": "an import of a package with a comment",
    "run_without_output": "a run of a deployment that has no release",
    "run_answer": "the answer to a run of a deployment, or its open-api-spec",
    "canceled_word": "a canceled job group",
    "cancel_status": "the answer to a cancellation, or its open-api-spec",
    "job_error_shape": "the jobs of a failed job group",
    "run_release_flows": "a run of the flow of a release",
    "execution_ids": "two runs with the same x-execution-id",
    "flow_run_name": "GET of a job group",
    "bad_token_status": "GET /v4/people/current with an expired access token",
    "package_uuid": "an import of a package, and metadata.uuid in its JSON",
    "replacing_touches_updated_at": "GET of the release that an import replaces, before and after",
    "release_list": "GET /v4/releases?deploymentId=, and embed=releases of the same deployment",
    "release_row": (
        "lists of releases, asked ten times in a second while a large package is imported"
    ),
    "import_hold_up": "a dry run of a package whose connection is unknown, without fromUI",
}
