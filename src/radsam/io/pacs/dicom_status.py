"""Explanations of the status codes of storing and fetching (PS3.4 annexes B.2.3 and C.4.3, PS3.7 annex C)."""

from __future__ import annotations

_EXACT = {
    0x0110: "it failed while processing",
    0x0111: "it has an instance with this UID already",
    0x0122: "it does not accept this kind of object",
    0x0124: "it does not allow this; ask its administrator to permit RadSAM's AE title or your login",
    0x0211: "it does not know this operation",
    0xA701: "it is out of resources",
    0xA702: "it is out of resources",
    0xA801: "it does not know the destination",
    0xFE00: "it cancelled the request",
}
_BY_HIGH_BYTE = {
    0xA7: "it is out of resources, often a full disk",
    0xA8: "it does not accept this kind of object",
    0xA9: "the object does not match its SOP class",
}


def explain_status(status: object) -> str:
    """Explain a status or failure reason; an unknown one by its number."""
    if not isinstance(status, int):
        return "it gave no reason"
    words = _EXACT.get(status) or _BY_HIGH_BYTE.get(status >> 8)
    if words is None and 0xC000 <= status <= 0xCFFF:
        words = "it does not understand the object or the request"
    return f"{words or 'it failed'} (status {status:04X})"


def is_warning(status: int) -> bool:
    """Whether a status is a warning: the request was done, with a limitation."""
    return status >> 8 == 0xB0 or status in (0x0001, 0x0107, 0x0116)
