"""What all tests share: three people, of whom Alice owns things, a clean broker, and the running applications, each started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.processes import PASSWORD, Longread, Visitor, wait_for
from tests.remote_server import CLAUSE, Scripted, Slow, scripted
from webapp.accounts.models import User
from webapp.core.broker import broker
from webapp.library.models import Collection

# An example that takes long says that the machine is busy, and nothing of what is tested.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def alice(db: None) -> User:
    """Owns what the test makes."""
    return User.objects.create_user("alice", password="correct horse battery")


@pytest.fixture
def bob(db: None) -> User:
    """Has an account and owns nothing of Alice's."""
    return User.objects.create_user("bob", password="correct horse battery")


@pytest.fixture
def staff(db: None) -> User:
    """Operates the machine; owns nothing of Alice's either."""
    return User.objects.create_user("olga", password="correct horse battery", is_staff=True)


@pytest.fixture
def collection(alice: User) -> Collection:
    return Collection.objects.create(owner=alice, name="Contracts")


@pytest.fixture
def clean_broker() -> None:
    """No message, event or heartbeat of an earlier test."""
    broker().flushdb()


@pytest.fixture(scope="session")
def longread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Longread]:
    """The whole application, started as `./run` starts it, for tests that only use it. Its folder has a space in its name, as people's
    folders do."""
    longread = Longread(tmp_path_factory.mktemp("a home"))
    longread.start()
    yield longread
    longread.stop()


@pytest.fixture(scope="session")
def slow() -> Slow:
    return Slow()


@pytest.fixture(scope="session")
def slow_server(slow: Slow) -> Iterator[Scripted]:
    with scripted(slow) as server:
        yield server


@pytest.fixture(scope="session")
def slow_longread(tmp_path_factory: pytest.TempPathFactory, slow_server: Scripted) -> Iterator[Longread]:
    """The whole application with a model that a test lets go on, so that "before the answer ends" is no matter of luck."""
    extra = {"LONGREAD_ENGINE_URL": slow_server.url, "LONGREAD_SILENCE_SECONDS": "5"}
    longread = Longread(tmp_path_factory.mktemp("streaming"), extra=extra)
    longread.start()
    yield longread
    longread.stop()


@pytest.fixture(scope="session")
def visitor(slow_longread: Longread) -> Visitor:
    """Signed in there, with a collection of one document that can be asked."""
    visitor = Visitor(slow_longread.address)
    visitor.post("/setup/", {"username": "alice", "password1": PASSWORD, "password2": PASSWORD})
    visitor.post("/collections/", {"name": "Contracts"}, form_at="/")
    collection = visitor.find(r"/collections/[0-9a-f-]+/", "/")
    visitor.upload(f"{collection}upload", "terms.txt", f"Terms.\n\n{CLAUSE}\n".encode(), form_at=collection)
    wait_for(lambda: "Ask this document" in visitor.get(collection), 60, "the document can be asked")
    return visitor
