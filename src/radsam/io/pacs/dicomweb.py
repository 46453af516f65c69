"""A PACS over DICOMweb (PS3.18): QIDO-RS to search, WADO-RS to fetch, STOW-RS to store.

Instances are requested in the transfer syntax in which they are stored and are decoded here: many
servers cannot transcode JPEG 2000.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from requests.auth import AuthBase, HTTPBasicAuth

from radsam.errors import PacsError, PacsRequestError
from radsam.io.pacs.dicom_status import explain_status
from radsam.io.pacs.pacs_address import Level, PacsAddress
from radsam.io.pacs.pacs_credentials import Credentials
from radsam.io.pacs.pacs_search import check_received
from radsam.io.pacs.pacs_server import RETURNED_KEYWORDS, UID_KEYWORDS, Instance
from radsam.io.pacs.retry_policy import RetryPolicy

T = TypeVar("T")

#: HTTP statuses after which a repetition may succeed: timeout, overload, restart, a failing proxy.
_TRANSIENT = {408, 429, 500, 502, 503, 504}
#: More bytes than any instance has: a body is then sent with its length and in one piece. Sent in
#: chunks, it could not be repeated, and older servers respond with 411.
_NO_CHUNKS = 1 << 40


class DicomWebServer:
    """A DICOMweb service; see `PacsServer`.

    Args:
        address: The service, and optionally a study, series or instance in it.
        credentials: The login, or None.
        policy: Time limits and repetitions.
    """

    def __init__(self, address: PacsAddress, credentials: Credentials | None, policy: RetryPolicy) -> None:
        self.address = address
        self._credentials = credentials
        self._policy = policy
        self._session = requests.Session()
        self._session.auth = _Login(credentials)
        self._session.max_redirects = 0  # a redirect would carry the query, which names a patient, anywhere
        with self._translated_errors():
            self._client = DICOMwebClient(
                url=address.base,
                session=self._session,
                callback=_require_closed,
                chunk_size=_NO_CHUNKS,
                timeout=(policy.connect_s, policy.silence_s),
            )
        # Its own repetition handles neither broken connections nor bodies that were sent already.
        self._client.set_http_retry_params(retry=False)

    def find(self, at: PacsAddress, level: Level, where: Mapping[str, str], limit: int | None) -> list[Dataset]:
        """See `PacsServer`. Continues until a page has nothing new: servers limit and repeat pages differently."""
        search, filters = self._search(at, level), dict(where)
        found: dict[str, Dataset] = {}
        while limit is None or len(found) < limit:
            page = self._send(
                partial(
                    search,
                    search_filters=filters,
                    fields=RETURNED_KEYWORDS[level],
                    offset=len(found) or None,
                    limit=None if limit is None else limit - len(found),
                )
            )
            read = [_from_json(each) for each in page]
            new = {uid: each for each in read if (uid := str(each.get(UID_KEYWORDS[level], ""))) and uid not in found}
            if not new:
                break
            found |= new
        return list(found.values())[:limit]

    def fetch(self, instances: Sequence[Instance]) -> Iterator[Dataset]:
        """See `PacsServer`. One request each: a broken connection loses one instance."""
        for each in instances:
            yield self._send(partial(self._fetch, each))

    def store(self, dataset: Dataset) -> None:
        """See `PacsServer`."""
        response = self._send(lambda: self._client.store_instances([dataset]))
        _check_stored(response)

    def close(self) -> None:
        """See `PacsServer`."""
        self._session.close()

    def _fetch(self, instance: Instance) -> Dataset:
        at = instance.address
        received = self._client.retrieve_instance(
            at.study_uid, at.series_uid, at.instance_uid, media_types=(("application/dicom", "*"),)
        )
        return check_received(received, [instance])

    def _search(self, at: PacsAddress, level: Level) -> Callable[..., list[dict[str, Any]]]:
        if level is Level.STUDY:
            return self._client.search_for_studies
        if level is Level.SERIES:
            return partial(self._client.search_for_series, at.study_uid or None)
        return partial(self._client.search_for_instances, at.study_uid, at.series_uid)

    def _send(self, request: Callable[[], T]) -> T:
        return self._policy.send(self._translated_errors()(request))

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Replace the libraries' errors by ours. Theirs hold URLs with queries, so they are not shown or chained."""
        at = self.address.base
        try:
            with warnings.catch_warnings(action="ignore"):  # theirs quote values of the headers
                yield
            return
        except requests.exceptions.HTTPError as error:
            problem: PacsError | PacsRequestError = self._refusal(error.response)
        except requests.exceptions.SSLError as error:
            problem = PacsError(_tls(at, error))
        except requests.exceptions.ConnectTimeout:
            problem = PacsError(f"{at} does not respond. Check host, port, network and VPN.", transient=True)
        except requests.exceptions.Timeout:
            problem = PacsError(
                f"{at} stopped responding for {self._policy.silence_s:g} s. Try again, or wait longer with "
                "RADSAM_PACS_TIMEOUT (seconds).",
                transient=True,
            )
        except requests.exceptions.TooManyRedirects as error:
            target = error.response.headers.get("Location", "").partition("?")[0] if error.response is not None else ""
            problem = PacsRequestError(f"{at} has moved to {target}. Give that address, if you trust it.")
        except requests.exceptions.ProxyError:
            problem = PacsError(f"The proxy on the way to {at} failed. Check HTTPS_PROXY and NO_PROXY.", transient=True)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
            problem = PacsRequestError(f"{at} is not an address that can be connected to. Check its spelling.")
        except requests.exceptions.JSONDecodeError:
            problem = PacsRequestError(
                f"{at} responds, but not as DICOMweb. Check the path: often /dicom-web or /dicomweb, "
                "for dcm4chee /dcm4chee-arc/aets/AE_TITLE/rs."
            )
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            problem = PacsError(_connection(at, error), transient=True)
        except requests.exceptions.RequestException as error:
            problem = PacsError(f"A request to {at} failed ({type(error).__name__}).", transient=True)
        except (PacsError, PacsRequestError):
            raise
        except OSError:
            bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
            problem = PacsRequestError(f"The file of certificates {bundle} cannot be read. Check REQUESTS_CA_BUNDLE.")
        except (InvalidDicomError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            # The libraries raise these on responses that break the standard.
            problem = PacsError(
                f"{at} sent a response that is not DICOM ({type(error).__name__}). Ask its administrator, "
                "and check whether a proxy is between you and the PACS."
            )
        raise problem from None

    def _refusal(self, response: requests.Response | None) -> PacsError | PacsRequestError:
        """Explain an HTTP status that is an error."""
        at, code = self.address.base, 0 if response is None else response.status_code
        if code == 401 and self._credentials is None:
            return PacsRequestError(
                f"{at} needs a login (401). Store it with `radsam pacs login`, or set RADSAM_PACS_USER and "
                "RADSAM_PACS_PASSWORD, or RADSAM_PACS_TOKEN."
            )
        if code == 401 and self._credentials is not None:
            return PacsRequestError(
                f"{at} refused the login from {self._credentials.source} (401). Check user and password; "
                "a token may have expired."
            )
        if code in (403, 407):
            whose = "The proxy refused" if code == 407 else f"{at} does not allow you"
            return PacsRequestError(f"{whose} this request ({code}). Ask its administrator for the right to it.")
        if code == 404:
            return PacsRequestError(
                f"{at} does not have the requested resource (404). Check the path of the service (often /dicom-web or "
                "/dicomweb) and the UIDs: `radsam pacs find` lists them."
            )
        if code in _TRANSIENT:
            return PacsError(f"{at} failed with HTTP status {code}. Try again later.", transient=True)
        if code == 507 or code == 413:
            return PacsError(f"{at} has no room for this ({code}). Ask its administrator.")
        return PacsRequestError(f"{at} refused the request with HTTP status {code}{_reason(response)}.")


class _Login(AuthBase):
    """Adds the login to a request, and removes the Host header without a port that the client sets.

    Used without a login, too: `requests` would send one from ``~/.netrc`` otherwise.
    """

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Host", None)  # http.client writes it with the port
        login = self._credentials
        if login is None:
            return request
        if login.token:
            request.headers["Authorization"] = f"Bearer {login.token}"
            return request
        # As bytes: as text it would be Latin-1, and fail on other letters.
        signed: requests.PreparedRequest = HTTPBasicAuth(login.user.encode(), login.password.encode())(request)
        return signed


def _require_closed(response: requests.Response, *_: object, **__: object) -> None:
    """Refuse a multipart response that ends before its closing delimiter.

    A connection that breaks without a stated length looks like one that has finished, and
    pydicom reads half an image without an error.
    """
    content_type = response.headers.get("Content-Type", "")
    if not response.ok or not content_type.lower().startswith("multipart/related"):
        return
    for item in content_type.split(";"):
        name, _equals, value = item.strip().partition("=")
        closing = b"--" + value.strip('"').encode() + b"--"
        if name.lower() == "boundary" and not response.content.rstrip().endswith(closing):
            raise requests.exceptions.ChunkedEncodingError("cut off")


def _from_json(match: dict[str, Any]) -> Dataset:
    with warnings.catch_warnings(action="ignore"):  # pydicom quotes values that break a rule
        try:
            return Dataset.from_json(match)
        except Exception:  # pydicom has no common base for what broken values provoke
            raise PacsError("The PACS sent a search result that is not DICOM. Ask its administrator.") from None


def _check_stored(response: Dataset) -> None:
    """Refuse a STOW response that names a failure (PS3.18 table 10.5.3-1); an empty one means stored."""
    failed = response.get("FailedSOPSequence") or []
    for each in failed:
        raise PacsRequestError(f"The PACS did not store it: {explain_status(each.get('FailureReason'))}.")


def _reason(response: requests.Response | None) -> str:
    """Return the reason that a refused STOW request states; empty if it states none."""
    try:
        failed = [] if response is None else Dataset.from_json(response.json()).FailedSOPSequence
        return f": {explain_status(failed[0].get('FailureReason'))}"
    except Exception:  # the body states no reason
        return ""


def _tls(at: str, error: requests.exceptions.SSLError) -> str:
    text = str(error)
    if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text or "UNKNOWN_PROTOCOL" in text:
        rest = at.partition("://")[2]
        return f"{at} does not use TLS. To connect without encryption, give: dicomweb+http://{rest}"
    return (
        f"The certificate of {at} cannot be verified ({_certificate(text)}), so nothing was sent. If your hospital "
        "has its own certificate authority, set REQUESTS_CA_BUNDLE to its file (PEM)."
    )


def _certificate(text: str) -> str:
    _, found, rest = text.partition("certificate verify failed: ")
    return rest.partition(" (_ssl")[0].rstrip(".') ") if found else "the handshake failed"


def _connection(at: str, error: Exception) -> str:
    text = str(error)
    if "NameResolution" in text or "getaddrinfo" in text:
        return f"The host name in {at} is unknown. Check its spelling, the network and VPN."
    if "refused" in text:
        return f"No server listens at {at}. Check host and port, and whether the PACS is running."
    return f"{at} broke off the connection. Try again."
