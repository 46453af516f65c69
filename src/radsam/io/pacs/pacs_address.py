"""The address of a PACS, and of a study, series or instance in it: one URL for both protocols.

DICOMweb (PS3.18 section 8.2, with another scheme in front)::

    dicomweb://HOST[:PORT]/ROOT[/studies/UID[/series/UID[/instances/UID]]]

``dicomweb`` is HTTPS, except on this machine, where local servers use HTTP. ``dicomweb+https`` (or
``https``) and ``dicomweb+http`` (or ``http``) are explicit.

DIMSE, for a PACS without DICOMweb::

    dimse://HOST:PORT/AE_TITLE[/studies/UID[/series/UID[/instances/UID]]]

Imports nothing heavy.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

from radsam.errors import PacsRequestError

_TRANSPORT = {
    "dicomweb": "",
    "dicomweb+https": "https",
    "dicomweb+http": "http",
    "https": "https",
    "http": "http",
    "dimse": "dimse",
}
#: PS3.5 section 9.1, except the rule against leading zeros, which real series break.
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_MAX_UID_LENGTH = 64
_RESOURCE = re.compile(
    r"(?P<root>.*?)(/studies/(?P<study>[^/]+)(/series/(?P<series>[^/]+)(/instances/(?P<instance>[^/]+))?)?)?/*"
)
_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")  # PS3.5, VR AE: no backslash, no control characters


class Level(StrEnum):
    """The level of an address: a whole server, a study, a series or an instance."""

    SERVER = "server"
    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


@dataclass(frozen=True)
class PacsAddress:
    """A PACS, and a study, series or instance in it. If it exists, it is well formed.

    Args:
        base: The server: an HTTP or HTTPS URL without a slash at its end, or
            ``dimse://HOST:PORT/AE_TITLE``.
        study_uid: StudyInstanceUID, or empty.
        series_uid: SeriesInstanceUID, or empty; needs a study.
        instance_uid: SOPInstanceUID, or empty; needs a series.
    """

    base: str
    study_uid: str = ""
    series_uid: str = ""
    instance_uid: str = ""

    @classmethod
    def parse(cls, url: str) -> PacsAddress:
        """Parse a URL of the form described in the head of this module.

        Raises:
            PacsRequestError: It has another form, or holds a password, a query or an invalid UID.
        """
        parts = _split(url)
        found = _RESOURCE.fullmatch(parts.path)
        if found is None:  # the expression matches everything; only for the type checker
            raise PacsRequestError(f"{url} is not the address of a PACS.")
        root = found["root"].rstrip("/")
        transport = _TRANSPORT[parts.scheme] or ("http" if _is_loopback(parts.hostname) else "https")
        if transport == "dimse":
            title = root.removeprefix("/")
            if not parts.port or not _AE_TITLE.fullmatch(title) or "/" in title:
                raise PacsRequestError(
                    f"{url} must name the port and the AE title of the PACS: dimse://HOST:PORT/AE_TITLE, "
                    "as its administrator has set them. An AE title has 1 to 16 characters."
                )
        elif re.search(r"/(studies|series|instances)(/|$)", root):
            raise PacsRequestError(
                f"{url} is not a resource of DICOMweb. After the root of the service come "
                "/studies/UID, /series/UID and /instances/UID, in this order."
            )
        uids = [check_uid(found[name] or "", f"The {name} UID of {url}") for name in ("study", "series", "instance")]
        return cls(f"{transport}://{parts.netloc}{root}", *uids)

    @property
    def level(self) -> Level:
        """The level of the address."""
        if not self.study_uid:
            return Level.SERVER
        if not self.series_uid:
            return Level.STUDY
        return Level.INSTANCE if self.instance_uid else Level.SERIES

    @property
    def is_dimse(self) -> bool:
        """Whether the protocol is DIMSE; DICOMweb otherwise."""
        return self.base.startswith("dimse:")

    @property
    def host(self) -> str:
        """Host name or IP address."""
        return urlsplit(self.base).hostname or ""

    @property
    def port(self) -> int:
        """TCP port; the scheme's own where the URL names none."""
        parts = urlsplit(self.base)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def ae_title(self) -> str:
        """AE title of the PACS; DIMSE only."""
        return urlsplit(self.base).path.removeprefix("/")

    @property
    def in_clear(self) -> bool:
        """Whether patient data are sent over a network without encryption."""
        return not self.base.startswith("https:") and not _is_loopback(self.host)

    def within(self, *, study: str = "", series: str = "", instance: str = "") -> PacsAddress:
        """Return the address of something inside."""
        return replace(
            self,
            study_uid=study or self.study_uid,
            series_uid=series or self.series_uid,
            instance_uid=instance or self.instance_uid,
        )

    def __str__(self) -> str:
        scheme, rest = self.base.split("://", 1)
        named = zip(
            ("studies", "series", "instances"), (self.study_uid, self.series_uid, self.instance_uid), strict=True
        )
        path = "".join(f"/{name}/{uid}" for name, uid in named if uid)
        return f"{scheme if self.is_dimse else _written(scheme, self.host)}://{rest}{path}"


def is_pacs_url(text: str) -> bool:
    """Whether a text is a URL of a PACS; otherwise it is a path."""
    return text.partition("://")[0].lower() in _TRANSPORT and "://" in text


def check_uid(uid: str, what: str) -> str:
    """Return a UID, or an empty text; refuse any other text, because UIDs become file names and URLs.

    Raises:
        PacsRequestError: It is not a UID.
    """
    if uid and (len(uid) > _MAX_UID_LENGTH or not _UID.fullmatch(uid)):
        raise PacsRequestError(f"{what} is not a DICOM UID: digits and dots, at most {_MAX_UID_LENGTH}. Copy it whole.")
    return uid


def _split(url: str) -> SplitResult:
    """Split a URL. A URL with a password never appears in a message."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it checks it
    except ValueError as error:
        raise PacsRequestError(f"The address of the PACS cannot be read: {error}.") from None
    if "@" in parts.netloc:
        raise PacsRequestError(
            "The address of a PACS must not hold a login: other users of this machine can read command lines. Remove "
            "everything before the @, and store the login with `radsam pacs login`, or set RADSAM_PACS_USER and "
            "RADSAM_PACS_PASSWORD."
        )
    if parts.scheme not in _TRANSPORT or not parts.hostname:
        raise PacsRequestError(
            f"{url} is not the address of a PACS. Give dicomweb://HOST[:PORT]/ROOT or dimse://HOST:PORT/AE_TITLE, "
            "optionally followed by /studies/UID/series/UID."
        )
    if parts.query or parts.fragment:
        raise PacsRequestError(
            f"{parts.scheme}://{parts.netloc}{parts.path} is followed by ? or #, which an address of a PACS never is. "
            "Remove that; `radsam pacs find` has options to search."
        )
    return parts


def _written(transport: str, host: str) -> str:
    usual = "http" if _is_loopback(host) else "https"
    return "dicomweb" if transport == usual else f"dicomweb+{transport}"


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
