"""Leases of nnInteractive's protocol: which program works on which image, and for how long."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from radsam.errors import RadsamError, SessionError
from radsam.server.nninteractive.interactions import Interactions, Voxels
from radsam.server.server_errors import LeaseEndedError, ServerFullError
from radsam.server.service import Service
from radsam.volume import Geometry


@dataclass(frozen=True)
class UndoStep:
    """One interaction's changes, so that it can be undone.

    Args:
        interactions: The interactions before it.
        applied: The interactions before it that the session had applied.
        edits: Number of session edits that it became.
    """

    interactions: Interactions
    applied: Interactions
    edits: int = 0


@dataclass(eq=False)
class LeasedImage:
    """An image, and the object that the program works on.

    Args:
        volume: The id of the image among the user's uploads.
        session: The session on it.
        geometry: Its grid; the protocol carries the spacing only.
        shown: The mask in the program's target buffer.
        number: Number of the object, from 1.
        interactions: All interactions of the object.
        applied: Those that the session has applied.
        steps: The undo steps, the latest last.
    """

    volume: str
    session: str
    geometry: Geometry
    shown: Voxels
    number: int = 1
    interactions: Interactions = field(default_factory=Interactions)
    applied: Interactions = field(default_factory=Interactions)
    steps: list[UndoStep] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the object in the session."""
        return "object" if self.number == 1 else f"object {self.number}"


@dataclass(eq=False)
class Lease:
    """A connected program.

    Args:
        token: Its lease token.
        user: The user whose bearer token claimed it.
        last_used: Time of its last interaction.
        last_heard: Time of its last heartbeat or interaction.
        zoom: Whether the model may see a crop around the object.
        image: Its image; None before `set_image`.
        lock: Held while a request is processed, so that interactions are applied in order.
    """

    token: str
    user: str
    last_used: float
    last_heard: float
    zoom: bool = True
    image: LeasedImage | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def require_image(self) -> LeasedImage:
        """Return the image.

        Raises:
            SessionError: There is no image yet.
        """
        if self.image is None:
            raise SessionError("There is no image yet: call set_image first.")
        return self.image


class Leases:
    """All leases.

    Args:
        service: The service that they use.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limits = service.limits
        self._leases: dict[str, Lease] = {}
        self._lock = threading.Lock()
        #: An image unpacks to gigabytes, so one is received at a time.
        self.one_image = asyncio.Lock()

    def claim(self, user: str) -> Lease:
        """Start a lease.

        Raises:
            ServerFullError: All leases are taken.
        """
        self._remove_expired()
        with self._lock:
            if len(self._leases) >= self._limits.leases:
                raise ServerFullError(f"All {self._limits.leases} leases of this server are taken. Try again later.")
            now = time.monotonic()
            lease = Lease(secrets.token_urlsafe(24), user, now, now)
            self._leases[lease.token] = lease
            return lease

    def find(self, token: str | None, user: str, *, use: bool = True, heard: bool = True) -> Lease:
        """Return a lease.

        Args:
            token: Its token.
            user: The user of the request.
            use: Whether the request counts as an interaction.
            heard: Whether the request counts as a heartbeat.

        Raises:
            LeaseEndedError: The user has no lease with this token, or it has ended.
        """
        self._remove_expired()
        lease = self._leases.get(token or "")
        if lease is None or lease.user != user:
            raise LeaseEndedError(
                "This lease has ended, or never existed. Connect again; the page lists the segmentations."
            )
        if use:
            self.touch(lease)
        elif heard:
            lease.last_heard = time.monotonic()
        return lease

    def touch(self, lease: Lease) -> None:
        """Note an interaction."""
        lease.last_used = lease.last_heard = time.monotonic()

    def remaining(self, lease: Lease) -> float:
        """Return the seconds until a lease without interactions ends."""
        return max(0.0, lease.last_used + self._limits.lease_idle_seconds - time.monotonic())

    def release(self, lease: Lease) -> None:
        """End a lease."""
        with self._lock:
            self._leases.pop(lease.token, None)
        self.leave_image(lease)

    def leave_image(self, lease: Lease) -> None:
        """Detach the image of a lease; an image without segmented objects is deleted."""
        image, lease.image = lease.image, None
        if image is None:
            return
        with suppress(RadsamError):  # the user may have removed it in the page
            if not self._service.state(lease.user, image.session)["objects"]:
                self._service.delete_volume(lease.user, image.volume)

    def _remove_expired(self) -> None:
        """End expired leases: at each request, since only new requests need free leases."""
        now = time.monotonic()
        for lease in list(self._leases.values()):
            idle = now - lease.last_used >= self._limits.lease_idle_seconds
            silent = now - lease.last_heard >= self._limits.lease_silent_seconds
            if (idle or silent) and not lease.lock.locked():
                with self._lock:
                    self._leases.pop(lease.token, None)
                # In a thread: this request must not wait until the session of another lease is read or removed.
                threading.Thread(target=self.leave_image, args=(lease,), name="leave image", daemon=True).start()
