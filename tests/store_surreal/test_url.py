"""A store's URL and options: where to connect, as whom, to which database."""

from collections.abc import Callable

import pytest

from sp00ky_core.config import Secret, SurrealdbConfig
from sp00ky_core.errors import ConfigError
from sp00ky_core.ports import StoreOptions
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.url import target_of

MakeStore = Callable[..., SurrealStore]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("?atuh=root", "'atuh', did you mean 'auth'"),
        ("?auth=admin", "root, namespace or database"),
        ("/c", "/NAMESPACE/DATABASE, and it has more"),
    ],
)
def test_what_is_too_much_in_the_url_is_named(make_store: MakeStore, more: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_store(f"ws://root:hunter2@127.0.0.1:1/a/b{more}")


@pytest.mark.parametrize("password", ["p@s3cret", "p/s3cret", "p@s3cret/x", "p@s3cret#x", "p@s3cret?x"])
def test_a_password_that_is_not_escaped_is_named_and_not_shown(make_store: MakeStore, password: str) -> None:
    with pytest.raises(ConfigError, match=r"in a password, write .* as .*%2F") as caught:
        make_store(f"ws://u:{password}@127.0.0.1:8000/main/main")
    assert "s3cret" not in str(caught.value)


def test_a_user_of_the_block_is_taken_as_it_is() -> None:
    block = SurrealdbConfig(namespace="a", database="b", username="a%41", password=Secret("p%41"))
    target = target_of(StoreOptions(url="ws://127.0.0.1:1", tables=(), surrealdb=block))
    assert (target.username, target.password) == ("a%41", "p%41")


def test_a_name_for_memory_is_refused(make_store: MakeStore) -> None:
    with pytest.raises(ConfigError, match="surrealkv://PATH"):
        make_store("mem://jobs")
