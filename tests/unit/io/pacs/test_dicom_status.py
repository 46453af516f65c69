"""Status codes in words."""

from __future__ import annotations

import pytest

from radsam.io.pacs.dicom_status import explain_status, is_warning


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x0122, "does not accept this kind"),
        (0x0124, "does not allow"),
        (0xA700, "out of resources"),
        (0xA9FF, "does not match its SOP class"),
        (0xC123, "does not understand"),
        (0x1234, "it failed (status 1234)"),
        (None, "gave no reason"),
    ],
)
def test_every_status_has_words(status: int | None, words: str) -> None:
    assert words in explain_status(status)


def test_warnings_are_no_failures() -> None:
    assert all(is_warning(each) for each in (0xB000, 0xB006, 0x0001, 0x0107, 0x0116))
    assert not any(is_warning(each) for each in (0x0000, 0xA700, 0xC000, 0x0110))
