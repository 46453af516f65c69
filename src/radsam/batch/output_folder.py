"""The output folder of a batch.

::

    results.csv                 one line per row of the manifest
    contact_sheet.html          a thumbnail per object
    masks/<id>.nii.gz           the masks
    quarantine/<volume>.json    failures of a volume, with tracebacks and without patient data
    progress/                   finished work, which the next run reads
        parts/<volume>.json         results of one volume, rewritten after each row
        thumbnails/<id>.jpg
        attempts/<volume>           attempts at its rows that began and did not end
"""

from __future__ import annotations

import shutil
from pathlib import Path

from radsam.disk.atomic_write import make_folder
from radsam.errors import OutputError

#: No row starts with less free space: a mask is up to some MB, a thumbnail and a volume's results some KB.
LEAST_FREE_BYTES = 32 << 20


class OutputFolder:
    """The folder that a batch writes to, and the paths in it.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.table, self.sheet = path / "results.csv", path / "contact_sheet.html"
        #: Masks by row id, and failures by volume.
        self.masks, self.quarantine = path / "masks", path / "quarantine"
        #: Results, and unfinished attempts and locks, by volume; small pictures by row id.
        self.parts, self.attempts, self.thumbnails = (
            path / "progress" / name for name in ("parts", "attempts", "thumbnails")
        )

    def make(self) -> None:
        """Make the folder and its subfolders.

        Raises:
            OutputError: One cannot be made.
        """
        for each in (self.masks, self.quarantine, self.parts, self.thumbnails, self.attempts):
            make_folder(each)

    def check_room(self) -> None:
        """Refuse to start a row if the disk has no room for its result.

        Raises:
            OutputError: The disk is full, or nearly.
        """
        free = shutil.disk_usage(self.path).free
        if free < LEAST_FREE_BYTES:
            raise OutputError(
                f"The disk of {self.path} has too little room ({free / 1e6:.0f} MB). Make room, and run the same "
                "command again: it continues with the missing rows."
            )
