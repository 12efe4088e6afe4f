"""What all tests share: three people, of whom Alice owns things, and a clean broker."""

from __future__ import annotations

import pytest

from webapp.accounts.models import User
from webapp.core.broker import broker
from webapp.library.models import Collection


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
