"""The options of `radsam edit`, in the panels of its help."""

from __future__ import annotations

from typing import Annotated

import typer

_CORRECT = "Corrections: the model predicts that slice again, and propagates"
_BY_HAND = "By hand: final; no model ever changes these voxels"
_ENDS = "Ends and slices; nothing else changes"
_CLEAN_UP = "Clean-up of the whole object; voxels set by hand and confirmed slices stay"
_SETTINGS = "Settings of the edit typed before them; of all edits, if typed before the first"
_HISTORY = "History"

# Corrections

Fix = Annotated[
    list[str] | None,
    typer.Option("--fix", help="This voxel belongs to the object.", metavar="I J K", rich_help_panel=_CORRECT),
]
FixNot = Annotated[
    list[str] | None,
    typer.Option("--fix-not", help="This voxel does not belong to it.", metavar="I J K", rich_help_panel=_CORRECT),
]
FixBox = Annotated[
    list[str] | None,
    typer.Option(
        "--fix-box",
        help="The object lies in this box: slice K is predicted anew from it.",
        metavar="K I0 J0 I1 J1",
        rich_help_panel=_CORRECT,
    ),
]
FixNotBox = Annotated[
    list[str] | None,
    typer.Option(
        "--fix-not-box",
        help="Nothing in this box belongs to it.",
        metavar="K I0 J0 I1 J1",
        rich_help_panel=_CORRECT,
    ),
]
FixMask = Annotated[
    list[str] | None,
    typer.Option(
        "--fix-mask",
        help="A rough mask of one slice, given with --slice: that slice is predicted anew from it. A file on the "
        "volume's grid, a DICOM SEG or an RTSTRUCT.",
        metavar="MASK",
        rich_help_panel=_CORRECT,
    ),
]
FixNotMask = Annotated[
    list[str] | None,
    typer.Option(
        "--fix-not-mask",
        help="Nothing in this mask of one slice belongs to it.",
        metavar="MASK",
        rich_help_panel=_CORRECT,
    ),
]
Scribble = Annotated[
    list[str] | None,
    typer.Option(
        "--scribble",
        help="The voxels on this line belong to the object.",
        metavar="'I J K, I J K, ...'",
        rich_help_panel=_CORRECT,
    ),
]
ScribbleNot = Annotated[
    list[str] | None,
    typer.Option(
        "--scribble-not",
        help="They do not belong to it.",
        metavar="'I J K, I J K, ...'",
        rich_help_panel=_CORRECT,
    ),
]
Lasso = Annotated[
    list[str] | None,
    typer.Option(
        "--lasso",
        help="What this polygon on slice K encloses belongs to the object. Corners may be fractions.",
        metavar="'K: I J, I J, ...'",
        rich_help_panel=_CORRECT,
    ),
]
LassoNot = Annotated[
    list[str] | None,
    typer.Option(
        "--lasso-not",
        help="It does not belong to it.",
        metavar="'K: I J, I J, ...'",
        rich_help_panel=_CORRECT,
    ),
]

# By hand

_SHAPES = (
    "A mask file (voxels above 0), a DICOM SEG or an RTSTRUCT on the volume's grid; a brush stroke 'I J K, I J K' with "
    "--radius; or a polygon 'K: I J, I J, I J', in another plane 'j=200: I K, I K, I K'."
)
Paint = Annotated[
    list[str] | None,
    typer.Option(
        "--paint",
        help=f"Add voxels. {_SHAPES} With --name of an object that does not exist, it starts one.",
        metavar="SHAPE",
        rich_help_panel=_BY_HAND,
    ),
]
Erase = Annotated[
    list[str] | None,
    typer.Option("--erase", help="Take voxels away; as for --paint.", metavar="SHAPE", rich_help_panel=_BY_HAND),
]
DeleteSlice = Annotated[
    list[str] | None,
    typer.Option(
        "--delete-slice",
        help="The object is not on these slices. Lists as 30 35 40-44.",
        metavar="K...",
        rich_help_panel=_BY_HAND,
    ),
]

# Ends and slices

Trim = Annotated[
    list[str] | None,
    typer.Option(
        "--trim",
        help="Drop the slices before LO and after HI; nothing is computed. - leaves an end.",
        metavar="LO HI",
        rich_help_panel=_ENDS,
    ),
]
Extend = Annotated[
    list[str] | None,
    typer.Option(
        "--extend",
        help="Propagate from the ends to new first and last slices; only new slices are computed. - leaves an end.",
        metavar="LO HI",
        rich_help_panel=_ENDS,
    ),
]
Confirm = Annotated[
    list[str] | None,
    typer.Option(
        "--confirm",
        help="These slices are right: no propagation and no clean-up changes them.",
        metavar="K...",
        rich_help_panel=_ENDS,
    ),
]
Unconfirm = Annotated[
    list[str] | None,
    typer.Option("--unconfirm", help="Open them again.", metavar="K...", rich_help_panel=_ENDS),
]

# Clean-up

KeepLargest = Annotated[
    bool, typer.Option("--keep-largest", help="Keep the largest part only.", rich_help_panel=_CLEAN_UP)
]
KeepAt = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-at",
        help="Keep the part that holds this voxel, or the nearest part.",
        metavar="I J K",
        rich_help_panel=_CLEAN_UP,
    ),
]
Islands = Annotated[
    list[str] | None,
    typer.Option(
        "--islands",
        help="Remove parts smaller than this volume: 0.5ml or 500mm3; ml without a unit.",
        metavar="VOLUME",
        rich_help_panel=_CLEAN_UP,
    ),
]
FillHoles = Annotated[
    bool,
    typer.Option(
        "--fill-holes",
        help="Fill holes that are closed on all sides; with --in-slices, those of each slice by itself.",
        rich_help_panel=_CLEAN_UP,
    ),
]
Smooth = Annotated[
    list[float] | None,
    typer.Option(
        "--smooth",
        help="Smooth the surface by this many mm; volume and ends stay.",
        metavar="MM",
        rich_help_panel=_CLEAN_UP,
    ),
]
Grow = Annotated[
    list[float] | None,
    typer.Option("--grow", help="Grow by this many mm.", metavar="MM", min=0, rich_help_panel=_CLEAN_UP),
]
Shrink = Annotated[
    list[float] | None,
    typer.Option("--shrink", help="Shrink by this many mm.", metavar="MM", min=0, rich_help_panel=_CLEAN_UP),
]
Interpolate = Annotated[
    list[str] | None,
    typer.Option(
        "--interpolate",
        help="Replace the slices between these by the shapes between them; these stay.",
        metavar="K K ...",
        rich_help_panel=_CLEAN_UP,
    ),
]
CopySlice = Annotated[
    list[float] | None,
    typer.Option(
        "--copy-slice",
        help="Copy this slice to those given with --to.",
        metavar="K",
        rich_help_panel=_CLEAN_UP,
    ),
]

# Settings

Reach = Annotated[
    list[str] | None,
    typer.Option(
        "--reach",
        help="How far a correction, or paint, propagates: slice (not at all, as paint if left out), a number of slices "
        "to each side, next (half-way to the next slices that a person has set; between two boxes or masks all the "
        "way; as corrections if left out), or ends.",
        metavar="REACH",
        rich_help_panel=_SETTINGS,
    ),
]
OnSlice = Annotated[
    list[float] | None,
    typer.Option(
        "--slice",
        help="The slice of --fix-mask; of a mask with one slice it may be left out.",
        metavar="K",
        rich_help_panel=_SETTINGS,
    ),
]
Roi = Annotated[
    list[str] | None,
    typer.Option(
        "--roi",
        help="Which object of a mask file: its name or number; all if left out.",
        metavar="NAME",
        rich_help_panel=_SETTINGS,
    ),
]
Radius = Annotated[
    list[float] | None,
    typer.Option("--radius", help="Radius of the brush in mm.", metavar="MM", rich_help_panel=_SETTINGS),
]
Ball = Annotated[
    bool,
    typer.Option(
        "--ball",
        help="The brush is a ball, which reaches over the neighbouring slices, not a disk.",
        rich_help_panel=_SETTINGS,
    ),
]
Within = Annotated[
    list[str] | None,
    typer.Option(
        "--within",
        help="Paint or erase only voxels in this range of values, in the volume's unit (HU of a CT), both ends "
        "included.",
        metavar="LO HI",
        rich_help_panel=_SETTINGS,
    ),
]
Alike = Annotated[
    list[float] | None,
    typer.Option(
        "--alike",
        help="Paint or erase only voxels within ± this much of the value under the stroke's first point, in the "
        "volume's unit (HU of a CT), and connected to it.",
        metavar="V",
        rich_help_panel=_SETTINGS,
    ),
]
InSlices = Annotated[
    bool,
    typer.Option("--in-slices", help="--fill-holes looks at each slice by itself.", rich_help_panel=_SETTINGS),
]
To = Annotated[
    list[str] | None,
    typer.Option("--to", help="The slices that --copy-slice replaces.", metavar="K...", rich_help_panel=_SETTINGS),
]

# History

Undo = Annotated[
    list[int] | None,
    typer.Option(
        "--undo", help="Undo the last N edits; 1 if left out.", metavar="[N]", min=1, rich_help_panel=_HISTORY
    ),
]
Redo = Annotated[
    list[int] | None,
    typer.Option(
        "--redo", help="Redo the last N undone edits; 1 if left out.", metavar="[N]", min=1, rich_help_panel=_HISTORY
    ),
]
DeleteEdit = Annotated[
    list[int] | None,
    typer.Option(
        "--delete",
        help="Delete one earlier edit by its number in --list, and replay those after it.",
        metavar="N",
        rich_help_panel=_HISTORY,
    ),
]
ListEdits = Annotated[
    bool,
    typer.Option(
        "--list",
        help="List the edits of all objects by number, and write nothing.",
        rich_help_panel=_HISTORY,
    ),
]
