"""The methods of a session that start an object and correct it with prompts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from radsam.preprocess import Window
from radsam.propagate import SliceDone
from radsam.session.edit import Reach
from radsam.session.edit_request import CorrectionRequest, SegmentRequest, StartFromMaskRequest
from radsam.session.label_objects import WholeMask, whole_mask
from radsam.session.requests import ObjectRequest
from radsam.session.segmented_object import SegmentedObject
from radsam.volume import Bounds, LabelVolume, Plane, Prompt, SparseMask, Volume

Progress = Callable[[SliceDone], None]


class PromptEdits(ABC):
    """Starts and corrections of an object."""

    volume: Volume

    @abstractmethod
    def _do(self, request: ObjectRequest, progress: Progress | None = None) -> SegmentedObject:
        """Carry out a request, with its warnings."""

    def segment(
        self,
        prompt: Prompt | WholeMask | SegmentRequest | StartFromMaskRequest,
        *,
        bounds: Bounds | tuple[int, int] | None = None,
        name: str = "object",
        plane: Plane | str = Plane.AXIAL,
        window: Window | tuple[float, float] | None = None,
        policy: str | None = None,
        zoom: bool | None = None,
        alternative: int = 0,
        refine: bool = False,
        progress: Progress | None = None,
    ) -> SegmentedObject:
        """Segment an object from one prompt on one slice (paper 4.1), or start it from a mask of the whole object.

        Args:
            prompt: Box, positive point or mask on one slice, in voxels of the volume as stored; or a mask of the
                whole object: a bool array (k, j, i), or a label map with one object, on the volume's grid; or a
                whole request, which replaces all keywords but `progress`.
            bounds: First and last slice of the object, both included; None lets the stop rule find the ends.
            name: The object; an existing one is restarted.
            plane: The plane of the propagation: axial, coronal or sagittal.
            window: The window of the model's input, in the volume's unit; None takes the session's.
            policy: What a slice passes to the next: "mask", "box", "point" or "copy"; None takes what the model
                was trained for.
            zoom: Whether the model sees a crop around the object, which shows small ones better, instead of whole
                slices; None takes what the model was trained for.
            alternative: 0 propagates the model's primary mask; 1 to 3 one of its three other masks of the prompt's
                slice, which `preview` returns.
            refine: Whether the model predicts each slice of a mask of the whole object, with its own slice as the
                prompt, instead of taking the mask as it is.
            progress: Called after each slice.

        Returns:
            The object as it is now.

        Raises:
            GridMismatchError: A label map lies on another grid.
            PromptError: The prompt or the bounds do not fit the volume, or the model found nothing.
            RequestError: A value has the wrong type or lies outside its range.
            SessionError: The object is locked.
            BackendError: The engine failed; the session is as before.
        """
        if isinstance(prompt, SegmentRequest | StartFromMaskRequest):
            return self._do(prompt, progress)
        zoom = None if zoom is None else bool(zoom)  # also NumPy's
        given: dict[str, Any] = {
            "bounds": bounds,
            "name": name,
            "plane": plane,
            "policy": policy,
            "zoom": zoom,
            "window": window,
        }
        if isinstance(prompt, SparseMask | LabelVolume | np.ndarray):
            mask = whole_mask(prompt, self.volume.geometry, plane)
            return self._do(StartFromMaskRequest.model_validate(given | {"mask": mask, "refine": refine}), progress)
        given |= {"prompt": prompt, "alternative": alternative}
        return self._do(SegmentRequest.model_validate(given), progress)

    def correct(
        self,
        *prompts: Prompt | CorrectionRequest,
        name: str = "object",
        reach: Reach = "next",
        progress: Progress | None = None,
    ) -> SegmentedObject:
        """Correct an object on one slice, and propagate from there (paper 4.2).

        Args:
            prompts: Points, scribbles, lassos, boxes or masks, positive or negative, all on one slice; or one whole
                request, which replaces `name` and `reach`. A positive box or mask predicts the slice anew; the others
                change its present mask.
            name: The object.
            reach: How far it propagates: "slice" (not at all), a number of slices, "next" (half-way to the next slice
                that was prompted, corrected or marked right; from one box or mask to the next all the way), or "ends".
            progress: Called after each slice.

        Returns:
            The object as it is now; `outcome` says what has changed.

        Raises:
            PromptError: A prompt lies outside the volume or the object's bounds, or the prompts lie
                on several slices, or contradict each other.
            SessionError: The object does not exist, or is locked.
            BackendError: The engine failed; the session is as before.
        """
        match prompts:
            case (CorrectionRequest() as request,):
                return self._do(request, progress)
            case _:
                given = {"name": name, "points": prompts, "reach": reach}
                return self._do(CorrectionRequest.model_validate(given), progress)
