"""Logins: where they are found, and that they do not leak."""

from __future__ import annotations

from collections.abc import Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import NoKeyringError, PasswordDeleteError

from radsam.errors import PacsRequestError
from radsam.io.pacs.pacs_address import PacsAddress
from radsam.io.pacs.pacs_credentials import Credentials, delete_credentials, find_credentials, save_credentials

HERE = PacsAddress.parse("dicomweb://pacs.example.org/rs")
THERE = PacsAddress.parse("dicomweb://other.example.org/rs")


class Memory(KeyringBackend):
    priority = 1.0

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError


class Locked(Memory):
    def get_password(self, service: str, username: str) -> str | None:
        raise NoKeyringError

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NoKeyringError


def _with(backend: KeyringBackend) -> Iterator[KeyringBackend]:
    before = keyring.get_keyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


@pytest.fixture
def memory() -> Iterator[KeyringBackend]:
    yield from _with(Memory())


@pytest.fixture
def locked() -> Iterator[KeyringBackend]:
    yield from _with(Locked())


def test_each_server_has_its_own_login(memory: Memory) -> None:
    save_credentials(HERE, Credentials("the prompt", user="reader", password="hunter2"))
    found = find_credentials(HERE.within(study="1.2"))
    assert found is not None
    assert (found.user, found.password, found.source) == ("reader", "hunter2", "the keyring")
    assert find_credentials(THERE) is None
    assert delete_credentials(HERE)
    assert not delete_credentials(HERE)
    assert find_credentials(HERE) is None


def test_the_environment_goes_first(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    save_credentials(HERE, Credentials("the prompt", user="kept", password="x"))
    monkeypatch.setenv("RADSAM_PACS_USER", "reader")
    monkeypatch.setenv("RADSAM_PACS_PASSWORD", "hunter2")
    found = find_credentials(HERE)
    assert found is not None
    assert found.user == "reader"
    monkeypatch.setenv("RADSAM_PACS_TOKEN", "abc")
    found = find_credentials(HERE)
    assert found is not None
    assert (found.token, found.user) == ("abc", "")


def test_half_a_login_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSAM_PACS_USER", "reader")
    with pytest.raises(PacsRequestError, match="Only one of"):
        find_credentials(HERE)


def test_an_entry_of_another_program_is_refused(memory: Memory) -> None:
    memory.kept["radsam https://pacs.example.org/rs", "login"] = "not ours"
    with pytest.raises(PacsRequestError, match="not written by RadSAM") as refused:
        find_credentials(HERE)
    assert "not ours" not in str(refused.value)


def test_without_a_keyring_there_is_no_login_and_storing_one_is_refused(locked: Locked) -> None:
    assert find_credentials(HERE) is None
    with pytest.raises(PacsRequestError, match="RADSAM_PACS_USER"):
        save_credentials(HERE, Credentials("the prompt", user="reader", password="hunter2"))


def test_secrets_are_not_shown() -> None:
    shown = repr(Credentials("the prompt", user="reader", password="hunter2", token="abc"))
    assert not any(each in shown for each in ("reader", "hunter2", "abc"))
