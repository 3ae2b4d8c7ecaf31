"""Hold what a sp00ky.yml says, ready to be used: each key is a field, with its default and its bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import attrs
from attrs import field

from sp00ky_core.config import values as read
from sp00ky_core.config.keys import Finding, key
from sp00ky_core.config.values import Secret
from sp00ky_core.error_texts import shown
from sp00ky_core.errors import ConfigError
from sp00ky_core.job.retry import MAX_RETRIES

if TYPE_CHECKING:
    from ssl import SSLContext


__all__ = ["ALL_CREDENTIALS", "FAILURES_ONLY", "KEEP_ALL", "RATE", "BackendConfig", "BackendSettings"]
__all__ += ["BreakerConfig", "Config", "ContractKind", "CredentialKind", "HistoryConfig", "RateConfig"]
__all__ += ["RetentionConfig", "RetryConfig", "Secret", "SurrealdbConfig", "TlsConfig"]
__all__ += ["TopRetentionConfig", "TransportTraits", "short_rate"]

CredentialKind = Literal["token", "basic", "apiKey"]
"""A type of ``auth``."""

ALL_CREDENTIALS: frozenset[CredentialKind] = frozenset({"token", "basic", "apiKey"})
"""All types of ``auth``; a transport that says nothing sends each of them."""

ContractKind = Literal["openapi", "own", "none"]
"""Where a backend's operations are from: see ``TransportTraits``."""

Isolation = Literal["backend", "route"]
"""Whether an outcome counts for the whole backend or for its route: see ``TransportTraits``."""


@attrs.frozen(kw_only=True, eq=False)
class TransportTraits:
    """What a transport says of how its backends are configured.

    Attributes:
        scheme: The name of its section in a backend of sp00ky.yml.
        codes: The scheme of its outcomes' codes, if another.
        options: An attrs class that the section is read into, its fields made with ``config.key``; None: it
            has no section. Deliveries have it as ``attempt.backend.options``.
        credentials: The types of ``auth`` that it sends.
        contract: Where a backend's operations are from: ``openapi``, the document that ``spec`` names;
            ``own``, ``document`` where there is no ``spec``; ``none``: any path and JSON object may be
            enqueued, and ``deliver`` says ``unknown_route``.
        headers: Whether it sends a backend's ``headers``.
        timeout_overridable: What ``timeoutOverridable`` is where it isn't written.
        isolation: What an outcome counts for: the ``backend``, or its ``route`` alone. Then each route has a
            breaker, a pause, a rate and places of its own.
    """

    scheme: str = "http"
    codes: str = field(default=attrs.Factory(lambda self: self.scheme, takes_self=True))
    options: type[Any] | None = None
    credentials: frozenset[CredentialKind] = ALL_CREDENTIALS
    contract: ContractKind = "openapi"
    headers: bool = True
    timeout_overridable: bool = False
    isolation: Isolation = "backend"


_TIMEOUT = read.seconds(0, 86_400, above=True)
_PERIOD = read.seconds(0.001, 86_400, expected="a duration from 1ms to 1d, such as 1s or 1m")
_CONCURRENCY = read.whole(1, 10_000)
_MAX_IN_FLIGHT = read.whole(1, 1_000_000)
_REQUESTS = read.whole(1, 1_000_000)
_OVERRIDABLE = ("timeoutOverridable", "deploy.timeoutOverridable")
_ROOTS = read.listed(read.path, "[./shared]")
_AUTH = key(read.auth_type, "auth.type", needed=True)
_AUTH_PLACE = key(read.one_of("header", "query", "cookie", quotes=False), "auth.in", needed=True)
_PREFIX = key(read.header_text, "auth.prefix")
_HEADERS = key(read.headers, secret=True, each=True)
_SIGNING = key(read.signing_secrets, "signingSecret", secret=True)
_BASE_URLS = key(read.listed(read.backend_url, "[http://localhost:8001]"))
_STATUSES = read.listed(read.whole(100, 599), "[400, 422]", frozenset)


@attrs.frozen(kw_only=True)
class RetryConfig:
    """``retry:`` of a backend; see ``RetryPolicy``, whose ranges these are.

    Attributes:
        max_retries: Retries of a job that doesn't say how many itself.
        strategy: Of a job that doesn't name one itself.
        base: Seconds of the first delay.
        factor: Of ``exponential``: each delay is so many times the one before.
        cap: Seconds of the longest delay.
        jitter: Share of the delay by which it varies, both ways.
        give_up_after: Seconds of throttled answers after which they count as attempts; infinity: never.
    """

    max_retries: int = field(default=3, metadata=key(read.whole(0, MAX_RETRIES), needed=True))
    strategy: str = field(default="linear", metadata=key(read.text, needed=True))
    base: float = field(default=1.0, metadata=key(read.seconds(0)))
    factor: float = field(default=2.0, metadata=key(read.number(1)))
    cap: float = field(default=900.0, metadata=key(read.seconds(0)))
    jitter: float = field(default=0.1, metadata=key(read.number(0, 1)))
    give_up_after: float = field(default=86_400.0, metadata=key(read.duration_of_time))


@attrs.frozen(kw_only=True)
class BreakerConfig:
    """``breaker:`` of a backend.

    Attributes:
        failures: In a row, to open it.
        interval: Seconds to the first probe.
    """

    failures: int = field(default=3, metadata=key(read.whole(1)))
    interval: float = field(default=1.0, metadata=key(read.seconds(0, above=True)))


def _breaker_switch(value: object) -> BreakerConfig | None:
    """Read ``true``, all defaults, or ``false``, no breaker."""
    return BreakerConfig() if read.boolean(value) else None


_BREAKER = key(BreakerConfig, shorthand=_breaker_switch)


@attrs.frozen(kw_only=True)
class RateConfig:
    """``rate:`` of a backend: requests that it gets from the whole fleet.

    Attributes:
        limit: Requests in ``per`` seconds.
        per: Seconds.
        burst: Requests at once after a pause; by default ``limit``.
    """

    limit: int = field(metadata=key(_REQUESTS))
    per: float = field(default=1.0, metadata=key(_PERIOD))
    burst: int = field(
        default=attrs.Factory(lambda self: self.limit, takes_self=True),
        metadata=key(_REQUESTS),
    )

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.limit / self.per


def short_rate(value: object) -> RateConfig:
    """Read ``20/s``, ``300/m`` or ``10/1m30s``."""
    limit, slash, per = str(value).partition("/")
    if not slash or not re.fullmatch("[0-9]{1,9}", limit):
        raise read.ReadProblem(f"expected a rate such as 20/s, 300/m or 10/1m30s, not {shown(value)}")
    return RateConfig(limit=_REQUESTS(int(limit)), per=_PERIOD(per if per[:1].isdigit() else f"1{per}"))


RATE: dict[Any, Any] = key(RateConfig, shorthand=short_rate)
"""Reads an option that is a rate."""


KEEP_ALL = "all"
"""Says in ``mode`` of a retention that what succeeded is kept, too."""

FAILURES_ONLY = "failures-only"
"""Says in ``mode`` of a retention that what succeeded isn't kept."""


@attrs.frozen(kw_only=True)
class HistoryConfig:
    """Seconds that what has ended is kept.

    None is what the level above says, infinity is for ever (``never`` in the file).

    Attributes:
        success: Of what succeeded.
        failed: Of what failed.
        mode: ``failures-only``: what succeeded isn't kept, whatever ``success`` says.
    """

    success: float | None = field(default=None, metadata=key(read.duration))
    failed: float | None = field(default=None, metadata=key(read.duration))
    mode: str | None = field(default=None, metadata=key(read.one_of(KEEP_ALL, FAILURES_ONLY)))

    @property
    def keep_success(self) -> float | None:
        """Seconds that what succeeded is kept, by ``mode`` and ``success``."""
        return 0.0 if self.mode == FAILURES_ONLY else self.success

    def over(self, above: HistoryConfig) -> Self:
        """Fill in what this doesn't say from the level above; its mode doesn't override a ``success``."""
        said = attrs.asdict(self)
        unsaid = {name for name, value in said.items() if value is None}
        unsaid -= set() if self.success is None else {"mode"}
        return attrs.evolve(self, **{name: getattr(above, name) for name in unsaid})


@attrs.frozen(kw_only=True)
class RetentionConfig(HistoryConfig):
    """``retention:`` of a backend: seconds that ended jobs are kept; None is the store's default.

    Attributes:
        max_rows: Delivered jobs that are kept at most in a table, the latest; 0: no limit.
    """

    max_rows: int | None = field(default=None, metadata=key(read.whole(0)))


@attrs.frozen(kw_only=True)
class TopRetentionConfig(RetentionConfig):
    """``retention:`` at the top level: also of the runs that extensions keep.

    Attributes:
        run_success: Of runs that succeeded, or were skipped or replaced.
        run_failed: Of runs that failed or were killed.
        run_deadline: Seconds after a run's begin when its jobs are killed, where nothing else says; 0: never.
    """

    run_success: float | None = field(default=None, metadata=key(read.duration))
    run_failed: float | None = field(default=None, metadata=key(read.duration))
    run_deadline: float | None = field(default=None, metadata=key(read.deadline))


@attrs.frozen(kw_only=True)
class TlsConfig:
    """``tls:`` of a backend: files in PEM format.

    Attributes:
        ca: The authorities that may vouch for the backend, instead of the system's.
        cert: The certificate that is shown to the backend.
        key: The certificate's key, where it isn't in the same file.
    """

    ca: Path | None = field(default=None, metadata=key(read.path))
    cert: Path | None = field(default=None, metadata=key(read.path))
    key: Path | None = field(default=None, metadata=key(read.path))

    def context(self) -> SSLContext:
        """Return what clients make connections with. Raises ``ConfigError`` if a file can't be used."""
        import ssl  # noqa: PLC0415  # only who sends requests needs it

        for file in filter(None, (self.ca, self.cert, self.key)):
            try:
                file.open("rb").close()
            except OSError as error:
                raise ConfigError(file=str(file), problem=f"it can't be read: {error.strerror}") from None
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except ssl.SSLError:
            raise ConfigError(file=str(self.ca), problem="it holds no certificate in PEM format") from None
        if self.cert is not None:
            try:  # a password is never asked for on the terminal
                context.load_cert_chain(self.cert, self.key, password=str)
            except (ssl.SSLError, ValueError):
                problem = "it holds no certificate in PEM format with a key, without a password, that fits it"
                raise ConfigError(file=str(self.cert), problem=problem) from None
        return context


@attrs.frozen(kw_only=True)
class BackendConfig:
    """One backend, ready to be used: defaults filled in, paths absolute, variables expanded.

    Attributes:
        name: As in the file.
        spec: The OpenAPI document's file, absolute; None: its transport has another contract, or none.
        base_url: What paths are appended to.
        base_urls: What operators may put in its place at run time.
        table: The job table.
        schema: A file that defines it, for other tools.
        auth: How requests show who sends them; None: with a bearer token, if there is one.
        auth_place: Where the token of ``apiKey`` goes: ``header`` (None), ``query`` or ``cookie``.
        auth_name: Its name there.
        auth_prefix: What stands before it in a header.
        token: Sent as ``Authorization: Bearer``, or as the key of ``apiKey``; see ``current_token``.
        token_file: Holds the token instead, and is read again when it changes.
        username: Of ``basic``.
        password: Of ``basic``.
        headers: What each request has besides, by the header's name.
        timeout: Seconds for a whole attempt.
        timeout_overridable: A job's own timeout counts.
        concurrency: Attempts at a time, per process.
        max_in_flight: Attempts at a time, in the whole fleet; None: no limit.
        rate: Requests in a time, in the whole fleet; None: no limit.
        retry: How its jobs are retried.
        give_up_on: HTTP statuses, or codes of the transport's scheme, that are never retried.
        breaker: When it counts as unavailable; None: never.
        retention: How long ended jobs are kept.
        max_response_bytes: Longest answer that is read.
        max_payload_bytes: Longest payload that is sent.
        ref_roots: Folders beside the document's own that ``$ref`` may read, symbolic links resolved.
        transport: Name of the transport; None: the scheme of ``base_url``.
        engine: HTTP library of the HTTP transport: ``auto``, ``aiohttp`` or ``httptools``.
        tls: How TLS is spoken; None: with the system's authorities, and no certificate.
        proxy: URL of the HTTP proxy that requests go through; may hold a user and a password.
        check_rows: A claimed row's payload is checked before it is sent.
        request_id: The header of an answer that says what the backend calls it; None: none is kept.
        signing_secrets: Requests are signed with each, as Standard Webhooks has it; empty: they aren't.
        pool: The machines on which Sp00ky's scheduler runs its jobs; None: they are delivered here.
        scheme: Whose codes its transport's outcomes have.
        options: What the section of its transport says, of that one's own class; None: it has no section.
        isolation: As its transport says: see ``TransportTraits``.
    """

    name: str
    spec: Path | None = field(default=None, metadata=key(read.path, needed=True))
    base_url: str = field(metadata=key(read.backend_url, unset="http://unset.invalid"))
    base_urls: tuple[str, ...] = field(default=(), metadata=_BASE_URLS)
    table: str = field(default="job", metadata=key(read.table_name, "method.table", needed=True))
    schema: Path | None = field(default=None, metadata=key(read.path, "method.schema"))
    auth: Literal["basic", "apiKey"] | None = field(default=None, metadata=_AUTH)
    auth_place: Literal["header", "query", "cookie"] | None = field(default=None, metadata=_AUTH_PLACE)
    auth_name: str | None = field(default=None, metadata=key(read.credential_name, "auth.name", needed=True))
    auth_prefix: str | None = field(default=None, metadata=_PREFIX)
    token: Secret | None = field(default=None, metadata=key(read.token, "auth.token", secret=True))
    token_file: Path | None = field(default=None, metadata=key(read.path, "auth.tokenFile"))
    username: Secret | None = field(default=None, metadata=key(read.username, "auth.username", secret=True))
    password: Secret | None = field(default=None, metadata=key(read.secret, "auth.password", secret=True))
    headers: Mapping[str, Secret] = field(factory=dict, hash=False, metadata=_HEADERS)
    timeout: float = field(default=10.0, metadata=key(_TIMEOUT, "timeout", "deploy.timeout"))
    timeout_overridable: bool = field(default=False, metadata=key(read.boolean, *_OVERRIDABLE, needed=True))
    concurrency: int = field(default=50, metadata=key(_CONCURRENCY, "concurrency", "method.concurrency"))
    max_in_flight: int | None = field(default=None, metadata=key(_MAX_IN_FLIGHT))
    rate: RateConfig | None = field(default=None, metadata=RATE)
    retry: RetryConfig = field(default=RetryConfig(), metadata=key(RetryConfig))
    give_up_on: frozenset[int] = field(default=frozenset(), metadata=key(_STATUSES))
    breaker: BreakerConfig | None = field(default=BreakerConfig(), metadata=_BREAKER)
    retention: RetentionConfig = field(default=RetentionConfig(), metadata=key(RetentionConfig))
    max_response_bytes: int = field(default=1_048_576, metadata=key(read.whole(1)))
    max_payload_bytes: int = field(default=1_048_576, metadata=key(read.whole(1), needed=True))
    ref_roots: tuple[Path, ...] = field(default=(), metadata=key(_ROOTS, needed=True))
    check_rows: bool = field(default=False, metadata=key(read.boolean))
    request_id: str | None = field(default=None, metadata=key(read.credential_name))
    transport: str | None = field(default=None, metadata=key(read.text))
    engine: Literal["auto", "aiohttp", "httptools"] = field(
        default="auto", metadata=key(read.one_of("auto", "aiohttp", "httptools"))
    )
    tls: TlsConfig | None = field(default=None, metadata=key(TlsConfig))
    proxy: Secret | None = field(default=None, metadata=key(read.proxy_url, secret=True))
    signing_secrets: tuple[Secret, ...] = field(default=(), metadata=_SIGNING)
    pool: str | None = field(default=None, metadata=key(read.text, "runOn.pool"))
    scheme: str = "http"
    options: Any = None
    isolation: Isolation = "backend"

    @property
    def document_name(self) -> str:
        """What its OpenAPI document is called: its file's name, or where else it is from."""
        return self.base_url if self.spec is None else self.spec.name

    @property
    def transport_name(self) -> str:
        """The name by which its transport is registered: its own, or the scheme of ``base_url``."""
        return self.transport or self.base_url.partition(":")[0].lower()

    @property
    def credential(self) -> tuple[str, str] | None:
        """The place and name that ``apiKey`` fills; None: no parameter of a document."""
        if self.auth != "apiKey" or self.auth_name is None:
            return None
        return self.auth_place or "header", self.auth_name

    @property
    def configured(self) -> Mapping[tuple[str, str], str]:
        """What fills a request's parameters, by place and name, that of a header in lower case."""
        sent = {("header", name.lower()): "the backend's `headers`" for name in self.headers}
        place, name = self.credential or ("", "")
        key = (place, name.lower() if place == "header" else name)
        return {**sent, key: "the backend's `auth`"} if name else sent

    def current_token(self) -> Secret | None:
        """Return the token as it is now; ``tokenFile`` is read again if it has changed.

        Raises ``ConfigError`` where that can't be used, and never could.
        """
        return self.token if self.token_file is None else read.read_token(self.token_file)


@attrs.frozen(kw_only=True)
class BackendSettings:
    """What operators may set of a backend at run time, by the file's keys; None: what the file says.

    Attributes:
        rate: See ``BackendConfig``, as for the others.
        max_in_flight: In the whole fleet.
        concurrency: Per process.
        timeout: Seconds.
        base_url: One of the file's ``baseUrls``.
    """

    rate: RateConfig | None = field(default=None, metadata=RATE)
    max_in_flight: int | None = field(default=None, metadata=key(_MAX_IN_FLIGHT))
    concurrency: int | None = field(default=None, metadata=key(_CONCURRENCY))
    timeout: float | None = field(default=None, metadata=key(_TIMEOUT))
    base_url: str | None = field(default=None, metadata=key(read.backend_url))


@attrs.frozen(kw_only=True)
class SurrealdbConfig:
    """``surrealdb:``, as other tools of a Sp00ky project have it too.

    Attributes:
        namespace: The namespace.
        database: The database.
        endpoint: The server's address.
        username: Whom to sign in as.
        password: The user's password.
    """

    namespace: str | None = field(default=None, metadata=key(read.text, secret=True))
    database: str | None = field(default=None, metadata=key(read.text, secret=True))
    endpoint: str | None = field(default=None, metadata=key(read.endpoint_url, secret=True))
    username: str | None = field(default=None, metadata=key(read.text, secret=True))
    password: Secret | None = field(default=None, metadata=key(read.secret, secret=True))


@attrs.frozen(kw_only=True)
class Config:
    """A whole sp00ky.yml.

    Attributes:
        file: The file, absolute.
        backends: Its backends, by name.
        store: The store's URL as the file has it, which may hold a password; see ``store_url``.
        surrealdb: The block of that name.
        retention: How long ended jobs are kept; each backend's own has it already.
        left_out: Entries that can't be a backend here, by name, with the reason.
        extensions: What the file says to each extension that is installed, by its key.
        notices: What ``check`` warns of, and ``run`` at its start.
        unset: Dotted keys whose variable isn't set, with the problem; an error of what needs the value.
    """

    file: Path
    backends: Mapping[str, BackendConfig]
    store: Secret | None = field(default=None, metadata=key(read.store_location, secret=True))
    surrealdb: SurrealdbConfig | None = field(default=None, metadata=key(SurrealdbConfig))
    retention: TopRetentionConfig = field(default=TopRetentionConfig(), metadata=key(TopRetentionConfig))
    left_out: Mapping[str, str] = field(factory=dict)
    extensions: Mapping[str, Any] = field(factory=dict)
    notices: tuple[Finding, ...] = ()
    unset: Mapping[str, str] = field(factory=dict)

    def error(self, key: str, problem: str, fix: str = "") -> ConfigError:
        """Return an error of this file, about a dotted key."""
        return ConfigError(file=str(self.file), key=key, problem=problem, fix=fix)
