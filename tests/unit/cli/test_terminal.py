"""What every command shares: exit codes, one message, JSON for programs, warnings as notes."""

from __future__ import annotations

import errno
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import typer

from radsam.cli.terminal import command, note, progress_bar, until_end, write_json
from radsam.errors import BackendError, MissingExtraError, PromptError, RadsamError, VolumeError


class OurWarning(UserWarning):
    __module__ = "radsam.somewhere"


def ends_with(function: Callable[[], None], *, as_json: bool = False) -> int:
    def printing(*, as_json: bool) -> None:
        function()

    with pytest.raises(typer.Exit) as caught:
        command(printing)(as_json=as_json)
    return caught.value.exit_code


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def test_the_json_of_a_command_has_its_notes(capsys: pytest.CaptureFixture[str]) -> None:
    @command
    def noting(*, as_json: bool) -> None:
        note("A file was left out.")
        for _ in range(2):
            warnings.warn("The values are hardly Hounsfield units.", OurWarning, stacklevel=1)
        write_json({"objects": []})

    @command
    def quiet(*, as_json: bool) -> None:
        write_json({"objects": []})

    noting(as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "objects": [],
        "notes": ["A file was left out.", "The values are hardly Hounsfield units."],
    }
    quiet(as_json=True)
    assert json.loads(capsys.readouterr().out) == {"objects": []}


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (PromptError("The box [0, 1] has no area."), 3, "Error: The box [0, 1] has no area.\n"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 5000), 3, "Give a shorter path"),
        (BackendError("The engine failed."), 4, "Error: The engine failed.\n"),
        (MissingExtraError("Converting", "torch"), 4, "pip install 'radsam[torch]'"),
        (RadsamError("Something."), 4, "Error: Something.\n"),
        (KeyboardInterrupt(), 130, "Error: Stopped."),
        (MemoryError(), 4, "not enough memory"),
        (ZeroDivisionError("by zero"), 4, "This is a bug in RadSAM; please report it"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_each_error_has_its_code_and_one_message(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, words: str, as_json: bool
) -> None:
    assert ends_with(raising(error), as_json=as_json) == code
    shown = capsys.readouterr()
    assert words in shown.err
    assert ("Traceback" in shown.err) == isinstance(error, ZeroDivisionError)
    if not as_json:
        assert shown.out == ""
        return
    found = json.loads(shown.out)["error"]
    assert (found["type"], found["exit_code"]) == (type(error).__name__, code)
    assert found["message"] in shown.err


def test_a_long_message_is_not_cut_into_lines(capsys: pytest.CaptureFixture[str]) -> None:
    message = "A path /" + "folder/" * 40 + " and [bold]what looks like markup[/bold]."
    ends_with(raising(PromptError(message)))
    assert capsys.readouterr().err == f"Error: {message}\n"


def test_wrong_usage_is_left_to_typer() -> None:
    with pytest.raises(typer.BadParameter):
        command(raising(typer.BadParameter("two prompts")))()


def test_a_warning_of_ours_is_a_note_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    def warn() -> None:
        for message in ("rough estimate", "rough estimate", "another"):
            warnings.warn(message, OurWarning, stacklevel=1)

    command(warn)()
    shown = capsys.readouterr()
    assert shown.err == "Note: rough estimate\nNote: another\n"
    assert shown.out == ""


def test_a_warning_of_others_stays_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(UserWarning, match="odd header"):
        command(lambda: warnings.warn("odd header", UserWarning, stacklevel=1))()
    assert capsys.readouterr().err == ""


def test_notes_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    note("[5 slices] were skipped")
    assert capsys.readouterr() == ("", "Note: [5 slices] were skipped\n")


def test_progress_is_silent_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("Segmenting") as update:
        update(1, None)
        update(2, 5)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("error", [None, VolumeError("no"), KeyboardInterrupt()])
def test_what_is_held_until_the_end_is_let_go_however_that_comes(error: BaseException | None) -> None:
    events = []

    @contextmanager
    def resource() -> Iterator[str]:
        try:
            yield "held"
        finally:
            events.append("let go")

    @command
    def work() -> None:
        events.append(until_end(resource()))
        if error is not None:
            raise error
        events.append("worked")

    with suppress(typer.Exit):
        work()
    assert events == (["held", "worked", "let go"] if error is None else ["held", "let go"])
