"""Shared by all commands: results, notes, progress, errors and exit codes.

Results go to the standard output, everything else to the standard error. Exit codes:
0 done, 2 wrong usage, 3 bad input, 4 failed while running or unable to write the standard
output (`radsam.cli.standard_streams`), 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import errno
import functools
import json
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from radsam.errors import ExecutionError, InputError, MissingExtraError, RadsamError

if TYPE_CHECKING:
    from rich.progress import Progress

P = ParamSpec("P")
T = TypeVar("T")

EXIT_INTERRUPTED = 130

#: Notes, progress and errors.
notes = Console(stderr=True, highlight=False, emoji=False)
#: Results for people. A pipe has no width: there, no column of a table is cut short.
out = Console(highlight=False, emoji=False, width=None if sys.stdout and sys.stdout.isatty() else 500)

_noted: ContextVar[list[str] | None] = ContextVar("notes of the running command", default=None)
_held: ContextVar[ExitStack] = ContextVar("resources of the running command")


def command(function: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command: errors become one message and an exit code, warnings become notes.

    A command whose ``as_json`` is set reports its error as JSON on the standard output too.
    """

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json = bool(kwargs.get("as_json"))
        try:
            with _warnings_as_notes(), _resources():
                function(*args, **kwargs)
        except (typer.BadParameter, typer.Exit):
            raise  # typer shows the first with the usage and ends with code 2; the other is a command's own code
        except RadsamError as error:
            _fail(str(error), type(error).__name__, error.exit_code, as_json)
        except KeyboardInterrupt:
            _fail("Stopped. No half-written file was left.", "KeyboardInterrupt", EXIT_INTERRUPTED, as_json)
        except MemoryError:
            _fail(
                "There is not enough memory for this volume. Close other programs, or crop the volume.",
                "MemoryError",
                ExecutionError.exit_code,
                as_json,
            )
        except Exception as error:  # a bug must end with an exit code, too
            if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
                # Of any path that was given; no system takes so long a name.
                message = f"{str(error.filename)[:60]}… is longer than a path can be here. Give a shorter path."
                _fail(message, type(error).__name__, InputError.exit_code, as_json)
            traceback.print_exc()
            message = f"This is a bug in RadSAM; please report it with the lines above. {error}"
            _fail(message, type(error).__name__, ExecutionError.exit_code, as_json)

    return guarded


def until_end(resource: AbstractContextManager[T]) -> T:
    """Enter a context that is left when the running command ends, however it ends."""
    return _held.get().enter_context(resource)


@contextmanager
def _resources() -> Iterator[None]:
    """Leave the contexts of `until_end` when the command ends."""
    with ExitStack() as stack:
        before = _held.set(stack)
        try:
            yield
        finally:
            _held.reset(before)


def _fail(message: str, kind: str, code: int, as_json: bool) -> None:
    notes.print(f"[bold red]Error:[/] {escape(message)}", soft_wrap=True)
    if as_json:
        write_json({"error": {"type": kind, "message": message, "exit_code": code}})
    raise typer.Exit(code)


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Show each of our warnings once, as a line for people."""
    shown: set[str] = set()
    before = _noted.set([])
    plain = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if category.__module__.partition(".")[0] != "radsam":
            plain(message, category, *rest, **more)
        elif str(message) not in shown:
            shown.add(str(message))
            note(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)  # ours only: deprecations of libraries do not concern users
        warnings.showwarning = show
        try:
            yield
        finally:
            _noted.reset(before)


def note(message: str) -> None:
    """Show a note: something that does not stop the work. The command's JSON has it, too."""
    found = _noted.get()
    if found is not None:
        found.append(message)
    notes.print(f"[yellow]Note:[/] {escape(message)}", soft_wrap=True)


def usage_error(message: str) -> typer.BadParameter:
    """Make the exception for a wrong combination of options: exit code 2."""
    return typer.BadParameter(message)


def require_extra(feature: str, extra: str, *modules: str) -> None:
    """Check that the optional packages of a command are installed.

    Args:
        feature: The feature that needs the packages, in words.
        extra: The extra of this package that brings them.
        modules: The packages that it imports.

    Raises:
        MissingExtraError: One of them is not installed.
    """
    from importlib.util import find_spec

    if any(find_spec(module) is None for module in modules):
        raise MissingExtraError(feature, extra)


def write_json(value: Mapping[str, Any]) -> None:
    """Write one JSON object to the standard output; with the command's notes so far, if it has any."""
    found = _noted.get()
    sys.stdout.write(json.dumps({"notes": found} | dict(value) if found else value, indent=2) + "\n")


@contextmanager
def progress_bar(
    title: str, *, unit: str = "slices", quiet: bool = False
) -> Iterator[Callable[[int, int | None], None]]:
    """Show a progress bar with the time left on a terminal; nothing where output is piped.

    Args:
        title: The work.
        unit: The unit of the count, in the plural.
        quiet: Show nothing anywhere.

    Yields:
        A function that takes the number done and the total; None if the total is unknown.
    """
    with open_progress(notes, quiet=quiet) as bars:
        task = bars.add_task(title, total=None, unit=unit)

        def update(done: int, total: int | None) -> None:
            bars.update(task, completed=done, total=total)

        yield update


def open_progress(console: Console, *, quiet: bool = False, speed_seconds: float = 30.0) -> Progress:
    """Return progress bars on a terminal; each task has a field `unit`. They show nothing where output is piped.

    Args:
        console: Where to show them.
        quiet: Show nothing anywhere.
        speed_seconds: How far back the speed is measured that the time left is estimated from.
    """
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[unit]}"),
        progress.TimeElapsedColumn(),
        progress.TextColumn("left"),
        progress.TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
        speed_estimate_period=speed_seconds,
    )
