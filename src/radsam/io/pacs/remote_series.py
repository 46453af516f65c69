"""A series of a PACS as a folder of files, for as long as a program needs it.

Every run asks the PACS what the series holds and for one image of it: that says whether the
login may still see it, and gives back the identity that the kept images (`kept.py`) lack. The
whole images are in a private temporary folder that is gone when the program is done with it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom.dataset import Dataset

from radsam.errors import OutputError, PacsError, PacsRequestError
from radsam.io.pacs.fetch_files import write_private
from radsam.io.pacs.pacs_address import Level, PacsAddress
from radsam.io.pacs.pacs_connection import connect
from radsam.io.pacs.pacs_server import Instance, PacsServer, Progress
from radsam.io.pacs.patient_identity import identity
from radsam.io.pacs.series_cache import KeptSeries, prune_kept
from radsam.io.pacs.series_instances import list_instances


@contextmanager
def series_folder(url: str, *, progress: Progress = lambda done, total: None) -> Iterator[Path]:
    """Lend a series of a PACS as a folder, for a ``with`` block.

    Args:
        url: Address of the series; see `radsam.io.pacs.pacs_address`.
        progress: Called with images that are here and their number.

    Yields:
        A folder with one file per image; gone, with all that is in it, after the block.

    Raises:
        PacsRequestError: The address is not that of a series, or the PACS refuses.
        PacsError: The PACS failed; what had been fetched is kept for the next time.
        OutputError: There is no room for the files.
        MissingExtraError: The extra ``dicom`` is not installed.
    """
    address = PacsAddress.parse(url)
    if address.level not in (Level.SERIES, Level.INSTANCE):
        raise PacsRequestError(
            f"{address} is not one series. List what it holds with `radsam pacs find {address}`, and add "
            f"{'/studies/UID' if address.level is Level.SERVER else ''}/series/UID."
        )
    with tempfile.TemporaryDirectory(prefix="radsam-") as name:
        with connect(address) as server:
            _fill(Path(name), server, KeptSeries.of(address), progress)
        yield Path(name)


def _fill(folder: Path, server: PacsServer, kept: KeptSeries, progress: Progress) -> None:
    """Write the whole images of a series into a folder, from what is kept and from the PACS."""
    instances = list_instances(server, server.address)
    done = 0
    try:
        # The first one is always asked for: it gives the identity.
        (first,) = server.fetch(instances[:1])
        kept.write(first)
        whose = identity(first)
        for image in _images(instances, server, kept):
            kept.write(image)
            image.update({element.tag: element for element in whose})
            write_private(image, folder / f"{image.SOPInstanceUID}.dcm")
            done += 1
            progress(done, len(instances))
    except (PacsError, PacsRequestError, OutputError) as error:
        raise type(error)(
            f"{error} {done} of {len(instances)} images are kept (without patient data); the same command goes on from "
            "there."
        ) from None
    kept.touch()
    prune_kept()


def _images(instances: Sequence[Instance], server: PacsServer, kept: KeptSeries) -> Iterator[Dataset]:
    """Yield each image once: first those that are kept."""
    missing = []
    for instance in instances:
        image = kept.read(instance.address.instance_uid)
        if image is None:
            missing.append(instance)
        else:
            yield image
    yield from server.fetch(missing)
