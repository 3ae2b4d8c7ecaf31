"""Read the values of sp00ky.yml's keys, variables in them expanded: return a value, or say what to write.

Strict: text is no number, ``"false"`` is no boolean, ``true`` is no number. Only a value that was one
``${VAR}`` and nothing else is read as YAML would read it.
"""

from __future__ import annotations

import math
import re
import stat
import sys
from base64 import b64decode
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import attrs

from sp00ky_core.error_texts import near_miss, shown
from sp00ky_core.errors import ConfigError
from sp00ky_openapi.safety import (
    CLOSED_HEADERS,
    HEADER_NAME,
    HEADER_VALUE,
    KEY_HEADER,
    SIGNATURE_HEADERS,
    path_problem,
)
from sp00ky_openapi.yaml_text import YamlProblem, parse_yaml

__all__ = ["ReadProblem", "deadline", "duration", "seconds_of", "signing_key"]

Reader = Callable[[Any], Any]

_UNITS = {
    **dict.fromkeys(("ms", "msec"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3_600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604_800.0),
}
"""Seconds of each unit, as Sp00ky's files may spell it."""

_DURATION = re.compile(rf"(?:[0-9]+(?:\.[0-9]+)? ?(?:{'|'.join(_UNITS)}) ?)+")
_PART = re.compile(r"([0-9.]+) ?([a-z]+)")
IN_A_HEADER = re.compile(r"[\x21-\x7e]+")
"""The characters of which a token may be made."""

_LONGEST = 100 * 365 * 86_400.0  # seconds
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_TABLE = 48  # so that an index's name, made from it, fits into PostgreSQL's 63 bytes
_OF_YAML_1_1 = {"on": "true", "yes": "true", "off": "false", "no": "false"}
_AUTHORITY = re.compile(r"([\w.~-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")
_OWN_PLACE = re.compile(r":[A-Za-z_][\w.]*\Z")
_NOT_IN_A_URL = re.compile(r"""[ <>"{}|\\^`]""")
_HTTP = ("http", "https")
_PROXY = re.compile(r"http://([^\s/?#@]+@)?(?P<place>[^\s/?#@]+)/?")
_SIGNING = "whsec_"
_SIGNING_BYTES = range(24, 65)  # as Standard Webhooks has it
_OF_A_REQUEST = CLOSED_HEADERS.union(SIGNATURE_HEADERS, (KEY_HEADER, "sp00ky-attempt", "traceparent"))
_OF_A_REQUEST |= {"content-type"}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


class ReadProblem(ValueError):
    """A value that can't stand where it does; the text says what can, and holds no secret."""


def _unfit(expected: str, value: object, fix: str = "") -> ReadProblem:
    """Return an error that shows the value, unless a variable brought it: that may be a misplaced secret."""
    kinds: dict[type, str] = {FromVariable: "the variable's value", dict: "a mapping", list: "a list"}
    return ReadProblem(f"expected {expected}, not {kinds.get(type(value)) or shown(value)}{fix}")


def _plain(value: Any) -> Any:
    """Parse a number or a boolean that a variable stands for."""
    try:
        return parse_yaml(str(value)) if isinstance(value, FromVariable) else value
    except YamlProblem:
        return value


def text(value: Any) -> str:
    """Read text that isn't empty."""
    if not isinstance(value, str):
        raise _unfit("text", value, "; put it in quotes if it is meant so")
    if not value or "\0" in value:
        raise ReadProblem("expected text, and it is empty or holds a NUL")
    return str(value)


def path(value: Any) -> Path:
    """Read a file or a folder; who loads the file makes it absolute."""
    return Path(text(value))


def secret(value: Any) -> Secret:
    """Read text that isn't empty, never shown."""
    if not isinstance(value, str) or not value:
        raise ReadProblem("expected text that isn't empty, in quotes where it looks like a number")
    return Secret(str(value))


def token(value: Any) -> Secret:
    """Read a secret that fits into an HTTP header."""
    given, ends = secret(value), "spaces or line ends (or is there one at its end?)"
    if not IN_A_HEADER.fullmatch(given.value):
        raise ReadProblem(f"expected a token of printable ASCII without {ends}")
    return given


def header_text(value: Any) -> str:
    """Read text that a header may have, such as ``Bot`` and a space."""
    written = text(value)
    if not HEADER_VALUE.fullmatch(written):
        raise ReadProblem("expected ASCII without control characters")
    return written


def headers(value: Any, *, allowed: Collection[str] = ()) -> dict[str, Secret]:
    """Read what each request has besides: the text of each header, never shown, by its name.

    Those that are ``allowed`` may be there though others set them, in lower case.
    """
    if not isinstance(value, dict):
        raise ReadProblem("expected a mapping from a header to its text, such as {X-Version: '2'}")
    found: dict[str, Secret] = {}
    for name, given in value.items():
        shown_name = f"{name!r:.80}"
        if not isinstance(name, str) or not HEADER_NAME.fullmatch(name):
            raise ReadProblem(f"{shown_name} can't be a header's name")
        if name.lower() in _OF_A_REQUEST.difference(allowed):
            fix = "say it under `auth`" if name.lower() == "authorization" else "remove it"
            raise ReadProblem(f"{shown_name} is set by what sends the request; {fix}")
        if name.lower() in map(str.lower, found):
            raise ReadProblem(f"{shown_name} is there twice; remove one")
        try:
            found[name] = Secret(header_text(secret(given).value.strip()))
        except ReadProblem as error:
            raise ReadProblem(f"{shown_name}: {error}") from None
    return found


def username(value: Any) -> Secret:
    """Read the user of basic authentication, which ends at the first colon of what is sent."""
    user = secret(value)
    if ":" in user.value:
        raise ReadProblem("expected a user without ':', for the password follows that (RFC 7617)")
    return user


def boolean(value: Any) -> bool:
    """Read ``true`` or ``false``."""
    truth = _plain(value)
    if not isinstance(truth, bool):
        meant = _OF_YAML_1_1.get(str(truth).casefold())
        raise _unfit("true or false (without quotes)", value, f"; write {meant}" if meant else "")
    return truth


def whole(low: int, high: int = sys.maxsize) -> Reader:
    """Read an integer in a range, both ends included."""
    limits = f", at least {low}" if high == sys.maxsize else f" from {low} to {high}"

    def read(value: Any) -> int:
        count = _plain(value)
        if type(count) is not int or not low <= count <= high:
            raise _unfit(f"a whole number{limits}", value)
        return count

    return read


def number(low: float, high: float = math.inf, *, above: bool = False) -> Reader:
    """Read a finite number in a range, its ends included (the lower one not, if ``above``)."""
    return _within(lambda value: _finite(_plain(value)), low, high, above=above, expected="a number {}")


def seconds(low: float, high: float = math.inf, *, above: bool = False, expected: str = "") -> Reader:
    """Read a duration, in seconds, likewise; ``expected`` says what it may be in other words."""
    expected = expected or "a duration {} seconds, such as 90 or 1m30s"
    return _within(_seconds, low, high, above=above, expected=expected)


def _within(parse: Callable[[Any], float], low: float, high: float, *, above: bool, expected: str) -> Reader:
    limits = f"{'over' if above else 'of at least'} {low:g}"
    limits += "" if high == math.inf else f" and at most {high:g}"

    def read(value: Any) -> float:
        amount = parse(value)
        if not low <= amount <= high or amount == math.inf or (above and amount == low):
            raise _unfit(expected.format(limits), value)
        return amount

    return read


def _finite(value: Any) -> float:
    """Return a number as a float, and NaN for all else."""
    is_finite = type(value) in (int, float) and abs(value) <= sys.float_info.max
    return float(value) if is_finite else math.nan


def _seconds(value: Any) -> float:
    written = _plain(value)
    if written == "never":
        return math.inf
    if isinstance(written, str) and _DURATION.fullmatch(written):
        length = sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(written))
    else:
        length = _finite(written)
    if not 0 <= length <= _LONGEST:
        raise _unfit("a duration such as 500ms, 90s, 1h30m or 14d, a number of seconds, or never", value)
    return length


def duration(value: Any) -> float | None:
    """Read seconds; infinity for ``never``, None for null."""
    return None if _plain(value) is None else _seconds(value)


def seconds_of(text: str) -> float:
    """Read a duration that is given as text, such as an argument: ``90``, too. Raises ``ReadProblem``."""
    try:
        return float(text)
    except ValueError:
        return duration(text) or 0.0


def duration_of_time(value: Any) -> float:
    """Read seconds, over 0; infinity for ``never``."""
    length = duration(value)
    if not length:
        raise ReadProblem("expected a duration such as 30m or 24h, or never")
    return length


def deadline(value: Any) -> float | None:
    """Read seconds; 0 for ``never``, None for null."""
    length = duration(value)
    return 0.0 if length == math.inf else length


def one_of(*words: str, quotes: bool = True) -> Reader:
    """Read one of these words; ``quotes``: another is shown, for it can't be a secret on the wrong line."""
    expected = f"{', '.join(words[:-1])} or {words[-1]}"

    def read_word(value: Any) -> str:
        if value not in words:
            hint = near_miss(value, words) if isinstance(value, str) else ""
            raise _unfit(expected, value, hint) if quotes else ReadProblem(f"expected {expected}{hint}")
        return str(value)

    return read_word


def listed(read: Reader, example: str, into: Callable[[list[Any]], Any] = tuple) -> Reader:
    """Read a list, each item of it with a reader."""

    def read_each(values: Any) -> Any:
        if not isinstance(values, list):
            raise _unfit(f"a list such as {example}", values)
        items = []
        for position, value in enumerate(values, 1):
            try:
                items.append(read(value))
            except ReadProblem as error:
                raise ReadProblem(f"item {position}: {error}") from None
        return into(items)

    return read_each


def signing_secrets(value: Any) -> tuple[Secret, ...]:
    """Read a secret of Standard Webhooks signatures, or a list of them, the newest first."""
    if value == []:
        raise ReadProblem("expected a secret, or a list of at least one")
    if not isinstance(value, list):
        return (_signing_secret(value),)
    secrets: tuple[Secret, ...] = listed(_signing_secret, "")(value)
    return secrets


def signing_key(secret: str) -> bytes:
    """Return the bytes that a signing secret stands for, however it is padded. Raises ``ValueError``."""
    encoded = secret.removeprefix(_SIGNING).rstrip("=")  # of more than is needed not each Python takes
    return b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)


def _signing_secret(value: Any) -> Secret:
    key = secret(value)
    try:
        size = len(signing_key(key.value))
    except ValueError:
        size = 0
    if not key.value.startswith(_SIGNING) or size not in _SIGNING_BYTES:
        made_by = 'make one by `echo "whsec_$(openssl rand -base64 32)"`'
        raise ReadProblem(f"expected whsec_ and 24 to 64 random bytes in base64; {made_by}")
    return key


def table_name(value: Any) -> str:
    """Read a table's name that every database takes unquoted, and that no table of the outbox has."""
    name = text(value)
    if not _TABLE.fullmatch(name) or len(name) > _LONGEST_TABLE:
        raise _unfit(f"a table name of letters, digits and _, at most {_LONGEST_TABLE} characters", value)
    if name.casefold().startswith("sp00ky_"):
        raise ReadProblem("names that start with sp00ky_ are the runner's own tables; choose another one")
    return name


def backend_url(value: Any) -> str:
    """Read the URL of a backend, of whichever scheme: another plugin's transport may deliver to it."""
    written = text(value)
    scheme, colon, _ = written.lower().partition("://")
    is_other = colon and _SCHEME.fullmatch(scheme) and scheme not in _HTTP
    sought = written
    if is_other:  # behind the colon may stand what only its transport understands
        place, slash, rest = written.partition("://")[2].partition("/")
        sought = f"{scheme}://{_OWN_PLACE.sub('', place)}{slash}{rest}"
    if problem := path_problem(_split(sought, *((scheme,) if is_other else _HTTP)).path or "/"):
        raise ReadProblem(f"its path can't be used: {problem}")
    return written


def proxy_url(value: Any) -> Secret:
    """Read the URL of an HTTP proxy; it may hold a user and a password, and is never shown."""
    url = secret(value)
    parts = _PROXY.fullmatch(url.value)
    if parts is None:
        raise ReadProblem("expected an HTTP proxy, such as http://user:password@proxy:3128")
    _split(f"http://{parts['place']}", *_HTTP)
    return url


def auth_type(value: Any) -> str | None:
    """Read how requests show who sends them; None: by a bearer token."""
    kind = one_of("token", "bearer", "basic", "apiKey", quotes=False)(value)
    return None if kind in ("token", "bearer") else kind


def credential_name(value: Any) -> str:
    """Read the name of the header, the query parameter or the cookie that a key is sent in."""
    if not isinstance(value, str) or not HEADER_NAME.fullmatch(value):
        raise ReadProblem("expected a name without spaces, such as X-API-Key")
    return value


def endpoint_url(value: Any) -> str:
    """Read the address of a SurrealDB server, or of an embedded one."""
    url = text(value)
    if url.partition("://")[0] in {"mem", "surrealkv"}:
        return url
    if _split(url, "ws", "wss", "http", "https").path.strip("/") not in {"", "rpc"}:
        raise ReadProblem("expected an address without a path, such as ws://localhost:8000")
    return url


def _split(written: str, *schemes: str) -> SplitResult:
    """Split an absolute URL that names a host and holds no secret, no query and no fragment."""
    if "@" in written.partition("://")[2].partition("/")[0]:
        raise ReadProblem("it must not hold a user or a password; say who you are under its own keys")
    if "?" in written or "#" in written:
        raise ReadProblem("it must have no query and no fragment; leave out what follows ? or #")
    try:
        url = urlsplit(written)
        is_sound = url.scheme in schemes and url.port != 0 and bool(_AUTHORITY.fullmatch(url.netloc))
    except ValueError:
        is_sound = False
    if not is_sound or not written.isprintable() or _NOT_IN_A_URL.search(written):
        either = " or ".join(f"{scheme}://" for scheme in schemes)
        parts = f"{either}, a host and perhaps a port, without spaces or other odd characters"
        raise ReadProblem(f"expected a URL such as {schemes[0]}://localhost:8000: {parts}")
    return url


def store_location(value: Any) -> Secret:
    """Read a store's URL, never shown."""
    url = secret(value)
    scheme, colon, _ = url.value.partition("://")
    if not colon or not _SCHEME.fullmatch(scheme) or not url.value.isprintable():
        examples = "postgresql://localhost/app, surrealkv://./data or ws://localhost:8000/ns/db"
        raise ReadProblem(f"expected a store URL such as {examples}")
    try:
        urlsplit(url.value)
    except ValueError:
        raise ReadProblem("its host is none; an IPv6 address stands in [...]") from None
    return url


@attrs.frozen(repr=False)
class Secret:
    """A text that is never printed.

    Attributes:
        value: The text itself.
    """

    value: str

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__


_REFERENCE = re.compile(r"(?P<escape>\$\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<broken>\$\{)")


class VariableProblem(ValueError):
    """A reference that can't be resolved; the text names the variable, never a value."""


class VariableUnset(VariableProblem):
    """A variable that isn't set: it may be in another process."""


class FromVariable(str):
    """A text that was one variable and nothing else: it may stand for a number or a boolean too."""

    __slots__ = ()


def expanded(value: Any, environ: Mapping[str, str]) -> Any:
    """Replace ``${VAR}`` in a text, or in each text of a list; ``$${`` stands for ``${``.

    Raises:
        VariableProblem: a variable isn't set, or a reference isn't closed.
    """
    if isinstance(value, list):
        return [expanded(item, environ) for item in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    text = _REFERENCE.sub(lambda reference: _resolved(reference, environ), value)
    whole = _REFERENCE.fullmatch(value)
    return FromVariable(text) if whole and whole["name"] else text


def from_vault(value: Any, environ: Mapping[str, str]) -> Any:
    """Resolve ``{vault: NAME}``, also in a list, to the environment variable NAME; else as ``expanded``.

    Raises:
        VariableProblem: it isn't set, or is one of our own settings.
    """
    if isinstance(value, list):
        return [from_vault(item, environ) for item in value]
    if not isinstance(value, dict):
        return expanded(value, environ)
    name = value.get("vault")
    if len(value) != 1 or not isinstance(name, str) or not name:
        raise VariableProblem("expected text, or {vault: NAME} for the environment variable NAME")
    if name.upper().startswith("SP00KY_"):
        raise VariableProblem("SP00KY_... are sp00ky's own settings, not secrets; choose another vault name")
    if name not in environ:
        raise VariableUnset(f"{_unset(name)}, which the vault's {name} is read from")
    return FromVariable(environ[name])


def _unset(name: str) -> str:
    return f"the environment variable {name} is not set"


def _resolved(reference: re.Match[str], environ: Mapping[str, str]) -> str:
    if reference["escape"]:
        return "${"
    if reference["broken"]:
        raise VariableProblem("write a variable as ${NAME}, or $${ for a plain ${")
    try:
        return environ[reference["name"]]
    except KeyError:
        raise VariableUnset(_unset(reference["name"])) from None


_LONGEST_TOKEN = 65_536  # bytes; more would be no token

_Version = tuple[int, int, int]
_read: dict[Path, tuple[_Version, Secret]] = {}
"""The latest usable token of each file. A file is replaced while jobs run: it may be missing for a moment."""


def read_token(file: Path) -> Secret:
    """Return the token in a file, without the white space around it.

    A file that can't be used now gives the token that it held before, if it ever held one.

    Raises:
        ConfigError: it can't be read, is empty, or its text can't stand in a header; the text isn't quoted.
    """
    known = _read.get(file)
    try:
        version = _version(file)
        if known is None or known[0] != version:
            known = _read[file] = version, _token(file)
    except (OSError, ValueError) as error:
        if known is None:
            problem = f"no token can be read from it: {getattr(error, 'strerror', None) or error}"
            raise ConfigError(file=str(file), problem=problem, fix="write the token into it") from None
    return known[1]


def _version(file: Path) -> _Version:
    status = file.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LONGEST_TOKEN:
        raise ValueError(f"it isn't a file of at most {_LONGEST_TOKEN} bytes")
    return status.st_mtime_ns, status.st_size, status.st_ino


def _token(file: Path) -> Secret:
    text = file.read_bytes().decode("ascii", "replace").strip()
    if not IN_A_HEADER.fullmatch(text):
        raise ValueError("it isn't one line of printable ASCII without spaces")
    return Secret(text)
