"""Does a cache stay within its limits, and does it touch only its own entries?"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from radsam.disk.folder_cache import FolderCache


def write(cache: FolderCache, name: str, size: int, age: int) -> None:
    cache.write(name, lambda file: file.write(b"x" * size))
    os.utime(cache.folder / name, (age, age))


def names(cache: FolderCache) -> list[str]:
    return sorted(each.name for each in cache.folder.iterdir())


def test_the_longest_unused_entries_are_removed_first(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path / "cache", r"[a-z]\.bin", max_entries=2)
    for age, name in enumerate(("a.bin", "b.bin", "c.bin"), start=1):
        write(cache, name, 10, age)
    assert names(cache) == ["b.bin", "c.bin"]


def test_reading_counts_as_use(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path, r"[a-z]\.bin", max_bytes=25)
    for age, name in enumerate(("a.bin", "b.bin"), start=1):
        write(cache, name, 10, age)
    assert cache.read("a.bin", lambda file: file.read()) == b"x" * 10
    write(cache, "c.bin", 10, 2**31)
    assert names(cache) == ["a.bin", "c.bin"]


def test_an_entry_may_be_a_folder_and_other_files_stay(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path, "[0-9]", max_bytes=100)
    for age, name in enumerate("12", start=1):
        write(FolderCache(tmp_path / name, ".*"), "part", 80, age)
        os.utime(tmp_path / name, (age, age))
    (tmp_path / "mine.txt").write_text("other")
    assert cache.size_bytes() == 160
    cache.prune()
    assert names(cache) == ["2", "mine.txt"]
    assert cache.clear() == 80
    assert names(cache) == ["mine.txt"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX systems")
def test_only_the_owner_can_read_entries(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path / "cache", ".*")
    write(cache, "a", 1, 1)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (cache.folder, cache.folder / "a")] == [0o700, 0o600]


def test_an_entry_that_cannot_be_removed_yet_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where another process may have it open."""
    cache = FolderCache(tmp_path, ".*", max_bytes=100)
    write(cache, "a", 80, 1)

    def open_elsewhere(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "The process cannot access the file", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", open_elsewhere)
        cache.prune()
        cache.clear()
    write(cache, "b", 80, 2)
    cache.prune()
    assert names(cache) == ["b"]
