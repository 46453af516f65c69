"""`radsam demo`: segment and correct an organ of a synthetic CT, with no file and no network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from radsam.cli.session_inputs import load_engine, lock_session
from radsam.cli.session_outputs import Outputs, report, show_report
from radsam.cli.shared_options import AsJson, Backend, Model, Precision
from radsam.cli.terminal import command, notes, out, progress_bar, write_json

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool

    from radsam.volume import Bounds, Box, Point

_ORGAN = "liver"


@command
def demo(
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the results.", metavar="DIR")] = Path(
        "radsam-demo"
    ),
    model: Model = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    as_json: AsJson = False,
) -> None:
    """Segment the liver of a synthetic CT from one hurried box, correct it with one click, draw the result.

    The box leaves out a fifth of the liver's width, as a hurried user's may; the click corrects that.
    The CT is a procedural phantom, not a patient: its truth is known exactly, and scores on it
    say that the program works, not how good it is on patients.
    """
    started = time.perf_counter()
    from radsam.data.adapters.phantom import make_phantom
    from radsam.disk.atomic_write import make_folder
    from radsam.io.volume_write import write_labels, write_volume
    from radsam.metrics import dice
    from radsam.simulate import centre_click
    from radsam.volume import Point, SliceGrid, Volume

    make_folder(out_dir)
    outputs = Outputs(out_dir / "mask.nii.gz", out_dir / "preview.png", out_dir / "liver.radsam")
    outputs.check([])
    lock_session(out_dir / "liver.radsam", "radsam demo")
    engine = load_engine(model, backend, precision, keep=True)
    if not as_json:
        notes.print("A procedural CT phantom, not a patient: abdomen with known organs, seed 0.")
    phantom = make_phantom(seed=0)
    ct = out_dir / "ct.nii.gz"
    write_volume(phantom.volume, ct)
    write_labels(phantom.truth, out_dir / "truth.nii.gz")
    volume = Volume(phantom.volume.values, phantom.volume.geometry, source=str(ct))
    truth = phantom.mask(_ORGAN) | phantom.mask("liver_tumour")
    grid = SliceGrid.of(volume.geometry, "axial")
    box, bounds = hurried_box(truth)

    session = engine.open(volume)
    with progress_bar("Segmenting liver", quiet=as_json) as update:
        session.segment(box, bounds=bounds, name=_ORGAN, progress=lambda r: update(r.done, r.total))
    first = dice(session.mask(_ORGAN), truth)
    click = centre_click(session.mask(_ORGAN)[box.index], truth[box.index])
    second = first
    point: Point | None = None
    if click is not None:
        i, j, k = grid.join(box.index, click.x, click.y)
        point = Point(i=i, j=j, k=k, positive=click.positive)
        with progress_bar("Correcting", quiet=as_json) as update:
            session.correct(point, name=_ORGAN, progress=lambda r: update(r.done, r.total))
        second = dice(session.mask(_ORGAN), truth)
    outputs.write(session, _ORGAN)
    found = report(session, started, outputs)
    if as_json:
        write_json(found | {"dice_one_box": first, "dice_corrected": second, "outputs": outputs.to_dict()})
        return
    out.print(
        f"Dice against the phantom's truth: {first:.3f} from one hurried box, {second:.3f} after one click.",
        soft_wrap=True,
    )
    show_report(found, outputs)
    _show_commands(ct, out_dir, box, bounds, point)


def hurried_box(truth: Bool[np.ndarray, "k j i"]) -> tuple[Box, Bounds]:
    """Return the box that a hurried user would draw on the slice of largest area, and the bounds of the object.

    The box leaves out a fifth of the object's width on the patient's right.
    """
    import numpy as np

    from radsam.volume import Bounds, Box

    areas = truth.sum(axis=(1, 2))
    slices = np.flatnonzero(areas)
    k = int(areas.argmax())
    rows, cols = np.nonzero(truth[k])
    i0, i1 = int(cols.min()), int(cols.max())
    # The phantom's columns grow to the patient's left.
    box = Box(k=k, i0=i0 + (i1 - i0) * 20 // 100, i1=i1, j0=int(rows.min()), j1=int(rows.max()))
    return box, Bounds(int(slices[0]), int(slices[-1]))


def _show_commands(ct: Path, out_dir: Path, box: Box, bounds: Bounds, point: Point | None) -> None:
    """Show the commands that do the same."""
    u0, v0, u1, v1 = box.uvuv
    out.print("\nThe same as single commands:", style="bold")
    lines = [
        f"radsam segment {ct} --slice {box.k} --box {u0} {v0} {u1} {v1} --bounds {bounds.low} {bounds.high} "
        f"--name liver -o {out_dir / 'mask.nii.gz'} --session {out_dir / 'liver.radsam'}"
    ]
    if point is not None:
        option = "--fix" if point.positive else "--fix-not"
        lines.append(
            f"radsam edit {out_dir / 'liver.radsam'} {option} {point.i} {point.j} {point.k} "
            f"-o {out_dir / 'mask.nii.gz'}"
        )
    for line in lines:
        out.print(f"  {escape(line)}", soft_wrap=True)
