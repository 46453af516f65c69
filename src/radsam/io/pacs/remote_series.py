"""A series of a PACS as a temporary folder of files.

Every run lists the series and fetches its first image from the PACS: this checks that the login may
still read it, and returns the patient's data, which cached images (`series_cache.py`) lack. The complete
images are in a private temporary folder that is removed at the end.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID

from radsam.disk.atomic_write import private_file
from radsam.errors import OutputError, PacsError, PacsRequestError
from radsam.io.dicom.dicom_series import SeriesWarning
from radsam.io.dicom.slice_header import is_image_class
from radsam.io.pacs.fetch_files import save_dicom
from radsam.io.pacs.pacs_address import Level, PacsAddress
from radsam.io.pacs.pacs_connection import connect
from radsam.io.pacs.pacs_search import list_instances
from radsam.io.pacs.pacs_server import Instance, PacsServer, Progress
from radsam.io.pacs.patient_identity import identity
from radsam.io.pacs.series_cache import CachedSeries


@contextmanager
def series_folder(url: str, *, progress: Progress = lambda done, total: None) -> Iterator[Path]:
    """Fetch a series of a PACS into a temporary folder, for a ``with`` block.

    Args:
        url: Address of the series; see `radsam.io.pacs.pacs_address`.
        progress: Called with the number of images done and the total.

    Yields:
        A folder with one file per image; removed after the block.

    Raises:
        PacsRequestError: The address is not that of a series, or the PACS refuses.
        PacsError: The PACS failed; the images fetched so far are cached.
        OutputError: There is no room for the files.
        MissingExtraError: The extra ``dicom`` is not installed.
    """
    address = PacsAddress.parse(url)
    if address.level not in (Level.SERIES, Level.INSTANCE):
        raise PacsRequestError(
            f"{address} is not one series. List its contents with `radsam pacs find {address}`, and add "
            f"{'/studies/UID' if address.level is Level.SERVER else ''}/series/UID."
        )
    with tempfile.TemporaryDirectory(prefix="radsam-") as name:
        with connect(address) as server:
            _fill(Path(name), server, CachedSeries(address), progress)
        yield Path(name)


def _fill(folder: Path, server: PacsServer, cached: CachedSeries, progress: Progress) -> None:
    """Write the complete images of a series into a folder, from the cache and from the PACS."""
    instances = _images_only(list_instances(server, server.address), server.address)
    done = 0
    try:
        # The first one is always fetched: it has the patient's data.
        (first,) = server.fetch(instances[:1])
        cached.write(first)
        patient = identity(first)
        for image in _images(instances, server, cached):
            cached.write(image)
            image.update({element.tag: element for element in patient})
            with private_file(folder / f"{image.SOPInstanceUID}.dcm") as file:
                save_dicom(image, file)
            done += 1
            progress(done, len(instances))
    except (PacsError, PacsRequestError, OutputError) as error:
        raise type(error)(
            f"{error} {done} of {len(instances)} images are cached (without patient data); the same command continues "
            "from there."
        ) from None
    cached.mark_used()


def _images_only(instances: list[Instance], address: PacsAddress) -> list[Instance]:
    """Leave out the objects of a series that are not images, such as raw data, where the PACS names their class."""
    others = [each for each in instances if each.sop_class and is_image_class(each.sop_class) is False]
    if not others or len(others) == len(instances):
        return instances
    kinds = ", ".join(sorted({UID(each.sop_class).name for each in others}))
    warnings.warn(
        f"{address}: left out {len(others)} objects that are not images ({kinds}).", SeriesWarning, stacklevel=4
    )
    return [each for each in instances if each not in others]


def _images(instances: Sequence[Instance], server: PacsServer, cached: CachedSeries) -> Iterator[Dataset]:
    """Yield each image once: first those in the cache."""
    missing = []
    for instance in instances:
        image = cached.read(instance.address.instance_uid)
        if image is None:
            missing.append(instance)
        else:
            yield image
    yield from server.fetch(missing)
