"""Command line: ``trifacta-emulator`` or ``python -m trifacta_emulator``."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import ssl
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trifacta_emulator.checks import shown

if TYPE_CHECKING:
    from trifacta_emulator import Emulator, EmulatorOptions, PresetConnection, User
    from trifacta_emulator.like import Likeness

_DEFAULT_PORT = 3005  # of self-managed instances [R: D50 API Authentication]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM.

    :param arguments: command line; default is that of the process
    :returns: exit status
    """
    emulator = emulator_of(arguments)
    parsed = _parser().parse_args(arguments)
    stopped = threading.Event()

    def stop(*_: object) -> None:
        stopped.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if parsed.log:
        _log_calls()
    try:
        emulator.start()
    except ssl.SSLError as error:
        return _failed(f"Cannot use {' and '.join(parsed.tls)} for TLS: {error}")
    except FileNotFoundError as error:
        return _failed(f"Cannot read a file for TLS: {error}")
    except (OSError, OverflowError) as error:
        return _failed(f"Cannot listen on {parsed.host}:{parsed.port}: {error}")
    try:
        if parsed.url_file:
            try:
                _write_whole(parsed.url_file, emulator.url)
            except OSError as error:
                return _failed(f"Cannot write {parsed.url_file}: {error}")
        _announce(emulator)
        stopped.wait()
    finally:
        emulator.stop()
    return 0


def _failed(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


def emulator_of(arguments: Sequence[str] | None) -> Emulator:
    """Make the emulator that a command line asks for.

    :param arguments: command line; default is that of the process
    :returns: the emulator, which does not serve yet
    """
    from trifacta_emulator.errors import ApiError

    parser = _parser()
    parsed = parser.parse_args(arguments)
    try:
        if parsed.like:
            # The options of the report are defaults: those of the command line win.
            _take_over(parser, parsed.like.options)
            parsed = parser.parse_args(arguments)
        return _emulator(parsed)
    except (ValueError, ApiError) as error:
        parser.error(shown(error))


def _emulator(parsed: argparse.Namespace) -> Emulator:
    from trifacta_emulator import Emulator, ServerOptions

    server = ServerOptions(
        name=parsed.name,
        admin_token=parsed.admin_token,
        allowed_hosts=tuple(parsed.allow_host),
    )
    emulator = Emulator(
        _options(parsed),
        host=parsed.host,
        port=parsed.port,
        tls=parsed.tls and tuple(parsed.tls),
        server=server,
    )
    if parsed.like:
        parsed.like.furnish(emulator.store)
    if parsed.state:
        emulator.load_state(parsed.state)
    for name in parsed.deployment:
        emulator.store.create_deployment(name)
    return emulator


def _parser() -> argparse.ArgumentParser:
    from trifacta_emulator.options import EmulatorOptions, choices

    defaults = EmulatorOptions()
    parser = argparse.ArgumentParser(
        prog="trifacta-emulator",
        description=(
            "Emulates the Trifacta v4 REST API with Deployment Manager. State is in memory only."
        ),
        epilog=f"Choices; EmulatorOptions explains them: {_listed_choices(defaults)}.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=_DEFAULT_PORT, help="0 = any free port (default: %(default)s)"
    )
    parser.add_argument(
        "--tls",
        nargs=2,
        metavar=("CERT", "KEY"),
        help="serve HTTPS with this certificate and key, PEM files",
    )
    parser.add_argument("--name", help="name of the instance, for people")
    parser.add_argument(
        "--admin-token",
        metavar="TOKEN",
        help=(
            "who sends it (Authorization: Bearer TOKEN) may use /emulator/..., from any machine; "
            "without it, changes come from this machine only"
        ),
    )
    _add_repeated(
        parser,
        "--allow-host",
        "NAME",
        "a name or address in Host that is served beside this machine's own",
    )
    parser.add_argument("--log", action="store_true", help="print one line for each call")
    parser.add_argument(
        "--product-version", default=defaults.product_version, help="default: %(default)s"
    )
    parser.add_argument("--edition", default=defaults.edition, help="default: %(default)s")
    parser.add_argument(
        "--instance-type",
        choices=choices()["instance_type"],
        default=defaults.instance_type,
        help=(
            "who may use deployments: no user (dev), every user (prod), users with that role (both,"
            " default)"
        ),
    )
    _add_repeated(
        parser,
        "--user",
        "EMAIL:PASSWORD[:ROLE,ROLE]",
        "a user in place of the default users; the password has no colon",
        _user,
    )
    _add_repeated(parser, "--deployment", "NAME", "create a deployment; its id is printed", _name)
    _add_repeated(
        parser, "--connection", "NAME[:UUID]", "create a connection, for import rules", _connection
    )
    _add_repeated(parser, "--flow", "NAME", "create a flow; its id is printed")
    _add_repeated(
        parser,
        "--missing-path",
        "PATH",
        "a file or folder that does not exist: jobs that read from there fail",
    )
    parser.add_argument(
        "--job-seconds",
        type=float,
        default=defaults.job_run_seconds,
        help="how long jobs run (default: %(default)s)",
    )
    parser.add_argument(
        "--list-lag",
        type=float,
        default=defaults.list_lag_seconds,
        help="seconds that lists lag (default: %(default)s)",
    )
    _add_repeated(parser, "--choice", "NAME=VALUE", "see below", _choice)
    parser.add_argument(
        "--like",
        type=_like,
        metavar="FILE",
        help=(
            "be like the instance of this report (python -m airflow_provider_trifacta.probe CONN_ID"
            " --json FILE); other arguments win"
        ),
    )
    parser.add_argument(
        "--state",
        type=_state,
        metavar="FILE",
        help="start with this state, as GET /emulator/state shows it",
    )
    parser.add_argument(
        "--url-file",
        type=Path,
        metavar="PATH",
        help="write the URL to this file when the emulator serves",
    )
    return parser


def _listed_choices(defaults: EmulatorOptions) -> str:
    from trifacta_emulator.options import SETTLED_BY, choices

    listed = []
    for name, values in choices().items():
        if name == "instance_type":
            # It has an argument of its own.
            continue
        words = " | ".join(map(_written, values))
        default = _written(getattr(defaults, name))
        settled_by = SETTLED_BY.get(name, "an observation of an instance")
        listed.append(f"{name} = {words} (default {default}; settled by {settled_by})")
    return "; ".join(listed)


def _add_repeated(
    parser: argparse.ArgumentParser,
    name: str,
    metavar: str,
    text: str,
    kind: Callable[[str], Any] = str,
) -> None:
    parser.add_argument(
        name,
        action="append",
        type=kind,
        default=[],
        metavar=metavar,
        help=f"{text}; may be repeated",
    )


def _options(parsed: argparse.Namespace) -> EmulatorOptions:
    from trifacta_emulator.options import DEFAULT_USERS, EmulatorOptions, PresetFlow

    like: Likeness | None = parsed.like
    users: tuple[User, ...] = DEFAULT_USERS
    flows: tuple[PresetFlow, ...] = ()
    if like:
        users = like.users
        flows = like.flows
    return EmulatorOptions(
        product_version=parsed.product_version,
        edition=parsed.edition,
        instance_type=parsed.instance_type,
        users=tuple(parsed.user) or users,
        connections=tuple(parsed.connection),
        flows=tuple(PresetFlow(name) for name in parsed.flow) or flows,
        missing_paths=tuple(parsed.missing_path),
        job_run_seconds=parsed.job_seconds,
        list_lag_seconds=parsed.list_lag,
        **dict(parsed.choice),
    )


def _take_over(parser: argparse.ArgumentParser, options: Mapping[str, Any]) -> None:
    defaults: dict[str, Any] = {"choice": []}
    for name, value in options.items():
        if name in ("product_version", "instance_type"):
            # They have arguments of their own.
            defaults[name] = value
        else:
            defaults["choice"].append((name, value))
    parser.set_defaults(**defaults)


def _like(text: str) -> Likeness:
    from trifacta_emulator.like import Likeness

    try:
        return Likeness(Path(text))
    except (OSError, ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(shown(error)) from error


def _state(text: str) -> Any:
    from trifacta_emulator.like import read_json

    try:
        return read_json(Path(text))
    except (OSError, ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(shown(error)) from error


def _log_calls() -> None:
    from trifacta_emulator.http.connection import CALL_LOG

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    CALL_LOG.addHandler(handler)
    CALL_LOG.setLevel(logging.INFO)


def _name(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("a deployment needs a name")
    return text


def _user(text: str) -> User:
    from trifacta_emulator.options import User

    email, _, rest = text.partition(":")
    password, _, words = rest.partition(":")
    if not email or not password or ":" in words:
        raise argparse.ArgumentTypeError(f"must be EMAIL:PASSWORD[:ROLE,ROLE], not {text!r}")
    roles = filter(None, words.split(","))
    return User(email, password, tuple(roles))


def _connection(text: str) -> PresetConnection:
    from trifacta_emulator.options import PresetConnection

    name, colon, uuid = text.partition(":")
    lacks_uuid = bool(colon) and not uuid
    if not name or lacks_uuid or ":" in uuid:
        raise argparse.ArgumentTypeError(f"must be NAME[:UUID], not {text!r}")
    return PresetConnection(name, uuid or None)


def _choice(text: str) -> tuple[str, Any]:
    from trifacta_emulator.options import choices

    name, _, written = text.partition("=")
    allowed = choices()
    # It has an argument of its own.
    del allowed["instance_type"]
    if name not in allowed:
        known = ", ".join(allowed)
        raise argparse.ArgumentTypeError(f"unknown choice {name!r}; choices are: {known}")
    for value in allowed[name]:
        if written == _written(value):
            return name, value
    words = ", ".join(map(_written, allowed[name]))
    raise argparse.ArgumentTypeError(f"{name} is one of {words}")


def _written(value: Any) -> str:
    # true, null and numbers as in JSON, words without quotes.
    if isinstance(value, str):
        return value
    return json.dumps(value)


def _announce(emulator: Emulator) -> None:
    url = emulator.url
    options = emulator.options
    store = emulator.store
    lines = [
        f"Trifacta emulator ({options.edition} {options.product_version}): {url}",
        f"Page for people: {url}/",
    ]
    for person in emulator.auth.people:
        user = person.user
        roles = ", ".join(user.roles) or "none"
        lines.append(f"User: {user.email}  password: {user.password}  roles: {roles}")
    for connection in store.connections():
        lines.append(f"Connection: {connection.name}  id: {connection.id}  uuid: {connection.uuid}")
    for flow in store.flows():
        lines.append(f"Flow: {flow.name}  id: {flow.id}")
    for deployment in reversed(store.deployments()):
        lines.append(f"Deployment: {deployment.name}  id: {deployment.id}")
    # Names and versions come from files of others too: --like and --state.
    for line in lines:
        print(shown(line))
    print("Stop with Ctrl-C.", flush=True)


def _write_whole(path: Path, text: str) -> None:
    # A reader that waits for the file must never see a part of it.
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(f"{text}\n", encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
