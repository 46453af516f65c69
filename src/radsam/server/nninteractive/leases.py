"""Leases: who works through nnInteractive's protocol, on which session, and for how long yet."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from radsam.errors import RadsamError, SessionError
from radsam.server.nninteractive.interactions import Interactions
from radsam.server.server_errors import LeaseEndedError, ServerFullError
from radsam.server.service import Service
from radsam.volume import Geometry


@dataclass(frozen=True)
class UndoStep:
    """What one interaction changed, to take it back.

    Args:
        drawing: What had been drawn before.
        done: What of that the session had done.
        edits: Edits of the session that it became.
    """

    interactions: Interactions
    done: Interactions
    edits: int = 0


@dataclass(eq=False)
class LeasedImage:
    """An image and the object that is drawn on it.

    Args:
        volume: Its id among the user's uploads.
        session: The session on it.
        geometry: Its grid: spacing only, since the protocol carries no more.
        shown: What the program's target buffer holds of the object, as far as we know.
        number: Which object it is.
        drawing: What was drawn.
        done: What of that the session has done.
        steps: What can be taken back.
    """

    volume: str
    session: str
    geometry: Geometry
    shown: Bool[np.ndarray, "k j i"]
    number: int = 1
    interactions: Interactions = field(default_factory=Interactions)
    done: Interactions = field(default_factory=Interactions)
    steps: list[UndoStep] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the object in the session."""
        return "object" if self.number == 1 else f"object {self.number}"


@dataclass(eq=False)
class Lease:
    """A program at work.

    Args:
        token: Its lease token.
        user: Whose bearer token claimed it.
        used: When something was last done with it.
        heard: When it last gave a sign of life.
        zoom: Whether the model may look at a crop around the object.
        work: The image, once there is one.
        turn: Held by the request that is answered: interactions are done in their order.
    """

    token: str
    user: str
    used: float
    heard: float
    zoom: bool = True
    work: LeasedImage | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def require_image(self) -> LeasedImage:
        """Return the image and what is drawn on it.

        Raises:
            SessionError: There is none yet.
        """
        if self.work is None:
            raise SessionError("There is no image yet: set_image comes first.")
        return self.work


class Leases:
    """All leases.

    Args:
        service: What they work on.
        clock: Seconds, for tests.
    """

    def __init__(self, service: Service, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._limits = service.limits
        self._clock = clock
        self._leases: dict[str, Lease] = {}
        self._lock = threading.Lock()
        #: Images unpack to gigabytes: one at a time.
        self.one_image = asyncio.Lock()

    def claim(self, user: str) -> Lease:
        """Begin a lease.

        Raises:
            ServerFullError: All are taken.
        """
        self._sweep()
        with self._lock:
            if len(self._leases) >= self._limits.leases:
                raise ServerFullError(f"All {self._limits.leases} leases of this server are taken. Try again later.")
            now = self._clock()
            lease = Lease(secrets.token_urlsafe(24), user, now, now)
            self._leases[lease.token] = lease
            return lease

    def find(self, token: str | None, user: str, *, use: bool = True, heard: bool = True) -> Lease:
        """Return a lease.

        Args:
            token: Its token.
            user: Who asks.
            use: Whether something is done with it.
            heard: Whether this is a sign of life.

        Raises:
            LeaseEndedError: It ended, never was, or is another user's.
        """
        self._sweep()
        lease = self._leases.get(token or "")
        if lease is None or lease.user != user:
            raise LeaseEndedError(
                "This lease has ended, or never was. Connect again; what was segmented is in the page's list."
            )
        if use:
            self.touch(lease)
        elif heard:
            lease.heard = self._clock()
        return lease

    def touch(self, lease: Lease) -> None:
        """Note that something is done with a lease."""
        lease.used = lease.heard = self._clock()

    def remaining(self, lease: Lease) -> float:
        """Return the seconds until it ends if nothing is done with it."""
        return max(0.0, lease.used + self._limits.lease_idle_seconds - self._clock())

    def release(self, lease: Lease) -> None:
        """End a lease."""
        with self._lock:
            self._leases.pop(lease.token, None)
        self.leave(lease)

    def leave(self, lease: Lease) -> None:
        """Leave the image of a lease: what was segmented stays, an image with nothing on it goes."""
        work, lease.work = lease.work, None
        if work is None:
            return
        with suppress(RadsamError):  # it may have been removed in the page meanwhile
            if not self._service.state(lease.user, work.session)["objects"]:
                self._service.delete_upload(lease.user, work.volume)

    def _sweep(self) -> None:
        """End what expired. Done when somebody asks: nobody else needs the place."""
        now = self._clock()
        for lease in list(self._leases.values()):
            idle = now - lease.used >= self._limits.lease_idle_seconds
            silent = now - lease.heard >= self._limits.lease_silent_seconds
            if (idle or silent) and not lease.turn.locked():
                with self._lock:
                    self._leases.pop(lease.token, None)
                # Whoever asks shall not wait until the session of another one is read or removed.
                threading.Thread(target=self.leave, args=(lease,), name="leave", daemon=True).start()
