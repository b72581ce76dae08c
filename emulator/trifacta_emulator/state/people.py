"""Users, their passwords and access tokens, and who may use deployments."""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trifacta_emulator.errors import AccessError, MissingObjectError, ValidationError
from trifacta_emulator.options import EmulatorOptions, User

_DAY_SECONDS = 24 * 60 * 60


@dataclass(frozen=True)
class Person:
    """A user of the workspace, with the id that records show as creator and updater."""

    id: int
    user: User

    @property
    def is_admin(self) -> bool:
        """Whether the person is a workspace administrator."""
        return "admin" in self.user.roles


@dataclass(frozen=True)
class Token:
    """An access token; without ``expires_at`` it never expires."""

    id: str
    value: str
    person: Person
    description: str
    created_at: datetime
    expires_at: datetime | None
    last_used: datetime | None = None


def people_of(users: Iterable[User]) -> tuple[Person, ...]:
    """Give users their ids.

    :param users: the users, in their order
    """
    people = []
    for number, user in enumerate(users, 1):
        people.append(Person(number, user))
    return tuple(people)


def ids_by_email(people: Iterable[Person]) -> dict[str, int]:
    """Index the ids of people by their emails.

    :param people: the people
    """
    return {person.user.email: person.id for person in people}


class Authenticator:
    """Knows the users and their tokens. Every request carries its credentials; there is no login
    [R: D64].

    :param options: users, preset tokens, clock and the workspace settings for tokens
    """

    def __init__(self, options: EmulatorOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        people = people_of(options.users)
        by_email = {person.user.email: person for person in people}
        tokens = []
        for preset in options.tokens:
            token = Token(
                id=str(uuid.uuid4()),
                value=preset.value,
                person=by_email[preset.email],
                description="preset",
                created_at=options.clock(),
                expires_at=preset.expires_at,
            )
            tokens.append(token)
        self.replace(people, tokens)

    def replace(self, people: tuple[Person, ...], tokens: Iterable[Token]) -> None:
        """Replace all users and all tokens.

        :param people: the users, in the order of their ids
        :param tokens: the tokens of these users
        """
        with self._lock:
            self.people = people
            self._by_email = {person.user.email: person for person in people}
            self._tokens = {token.id: token for token in tokens}

    @property
    def all_tokens(self) -> tuple[Token, ...]:
        """The tokens of all users, oldest first."""
        with self._lock:
            return tuple(self._tokens.values())

    def authenticate(self, header: str) -> Person | None:
        """Find the person for an ``Authorization`` header, ``Basic`` or ``Bearer`` [R: D64 API
        Authentication].

        :param header: its value, ``""`` when missing
        :returns: ``None`` for missing, wrong, expired or deleted credentials
        """
        scheme, _, credentials = header.partition(" ")
        if scheme.lower() == "basic":
            return self._by_password(credentials.strip())
        if scheme.lower() == "bearer" and self._options.api_tokens_enabled:
            return self._by_token(credentials.strip())
        return None

    def may_use_deployments(self, person: Person) -> bool:
        """Tell whether a person may use deployments [R: SMC97 configure-deployment-manager].

        :param person: the caller
        """
        kind = self._options.instance_type
        if kind == "both":
            return "deployment" in person.user.roles
        return kind == "prod"

    def create_token(
        self,
        person: Person,
        lifetime_seconds: int,
        description: str = "",
    ) -> Token:
        """Make an access token [P: AAC25].

        :param person: owner of the token
        :param lifetime_seconds: from now; ``-1`` = never expires
        :param description: free text
        :raises AccessError: tokens are disabled [P: AYX], or the person may not make them [I]
        :raises ValidationError: the lifetime is not allowed
        """
        self._check_may_create(person)
        now = self._options.clock()
        token = Token(
            id=str(uuid.uuid4()),
            value=secrets.token_urlsafe(48),
            person=person,
            description=description,
            created_at=now,
            expires_at=self._expiry(now, lifetime_seconds),
        )
        with self._lock:
            self._tokens[token.id] = token
        return token

    def _check_may_create(self, person: Person) -> None:
        if not self._options.api_tokens_enabled:
            raise AccessError("API access tokens are disabled for this workspace.")
        if not (person.is_admin or self._options.user_tokens_allowed):
            raise AccessError("Only administrators may generate access tokens in this workspace")

    def _expiry(self, now: datetime, lifetime_seconds: int) -> datetime | None:
        most_days = self._options.max_token_lifetime_days
        unlimited = lifetime_seconds == -1
        if lifetime_seconds < 1 and not unlimited:
            raise ValidationError("lifetimeSeconds must be -1 or a positive number of seconds")
        too_long = unlimited or lifetime_seconds > most_days * _DAY_SECONDS
        if most_days != -1 and too_long:
            raise ValidationError(f"lifetimeSeconds is more than the maximum of {most_days} days")
        if unlimited:
            return None
        try:
            return now + timedelta(seconds=lifetime_seconds)
        except OverflowError as error:
            raise ValidationError("lifetimeSeconds is too large") from error

    def tokens(self, person: Person) -> tuple[Token, ...]:
        """List the tokens of a person, oldest first, with expired ones.

        :param person: their owner
        """
        with self._lock:
            return tuple(token for token in self._tokens.values() if token.person == person)

    def token(self, token_id: str, person: Person) -> Token:
        """Find a token by its id.

        :param token_id: its id, not its value
        :param person: the caller; administrators find the tokens of all users [R: SMC97
            enable-api-access-tokens]
        :raises MissingObjectError: no such token for this person
        """
        with self._lock:
            token = self._tokens.get(token_id)
        if token is None or not (person.is_admin or token.person == person):
            raise MissingObjectError("apiAccessTokens", token_id, "unknown")
        return token

    def delete_token(self, token_id: str, person: Person) -> None:
        """Delete a token, at once and for good [R: AWS access-tokens-page].

        :param token_id: its id, not its value
        :param person: the caller
        :raises MissingObjectError: no such token for this person
        """
        token = self.token(token_id, person)
        with self._lock:
            self._tokens.pop(token.id, None)

    def _by_password(self, credentials: str) -> Person | None:
        try:
            decoded = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        email, _, password = decoded.partition(":")
        person = self._by_email.get(email)
        if person is None or person.user.password != password:
            return None
        return person

    def _by_token(self, secret: str) -> Person | None:
        now = self._options.clock()
        with self._lock:
            for token in self._tokens.values():
                expired = token.expires_at is not None and now >= token.expires_at
                if token.value == secret and not expired:
                    self._tokens[token.id] = replace(token, last_used=now)
                    return token.person
        return None
