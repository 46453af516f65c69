"""Run cases in a process of their own, which is started again when one of them ends it.

Each case is made from the seed, the format's name and its number, so that any of them can be run again alone.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

#: A case may take this much of a processor, and this much memory beyond that of the program. Of DICOM, an element may
#: state 4 GB, which Python's `read` makes room for but does not use; headers of voxels state more.
_CPU_SECONDS = 30
_MEMORY_BYTES = 5 << 30
#: Words of libraries and of the interpreter, which tell a user nothing.
_NO_WORDS = re.compile(r"\.cxx|\.cpp|std::|itk::|Traceback|object at 0x|<class |bad_alloc", re.IGNORECASE)
_MEMORY_WORDS = re.compile(r"failed to allocate|unable to allocate|MemoryError|bad_alloc", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """What became of a case.

    Args:
        target: The format.
        number: Its number.
        outcome: "compared", "not compared", "refused" or "fault".
        faults: What was wrong with the input.
        message: The error, or what is wrong with the result.
    """

    target: str
    number: int
    outcome: str
    faults: str
    message: str = ""

    def __str__(self) -> str:
        return f"{self.target}:{self.number} {self.outcome}: {self.faults}\n    {self.message}"


def run_cases(targets: Sequence[str], numbers: range, seed: int, folder: Path) -> Iterator[Finding]:
    """Run the cases of these numbers for each format, in other processes.

    Args:
        targets: Names of formats.
        numbers: Numbers of the cases.
        seed: The seed.
        folder: Where inputs lie; those of faults stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    left = [(name, number) for name in targets for number in numbers]
    while left:
        found = [*_one_process(left, seed, folder)]
        yield from found
        assert found, "the process did not begin; see above"
        left = left[len(found) :]


def _one_process(cases: Sequence[tuple[str, int]], seed: int, folder: Path) -> Iterator[Finding]:
    tests = Path(__file__).resolve().parent.parent
    line = [sys.executable, "-X", "faulthandler", "-m", "fuzzing.fuzz_run", str(seed), str(folder)]
    with (folder / "stderr").open("w+b") as errors:
        paths = os.pathsep.join(filter(None, [str(tests), os.environ.get("PYTHONPATH")]))
        process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with process.stdin as stdin:
                stdin.write(json.dumps(list(cases)))
            running = None
            for answer in process.stdout:
                event = json.loads(answer)
                if "outcome" in event:
                    running = None
                    yield Finding(**event)
                else:
                    running = event
            process.wait()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        if running is not None:
            errors.seek(0)
            last = errors.read().decode("utf-8", "replace")
            code = process.returncode
            why = signal.Signals(-code).name if code < 0 else f"exit {code}"
            why = "it took too much of the processor's time" if code == -signal.SIGPROF else why
            yield Finding(outcome="fault", message=f"The process ended: {why}. {_where(last)}", **running)


def _where(text: str) -> str:
    """The place in this program where the interpreter ended."""
    at = text.rfind("Fatal Python error")
    return " | ".join(line.strip() for line in text[max(at, 0) :].splitlines()[:12])[:1500] if at >= 0 else text[-500:]


def main() -> None:
    """Run the cases that standard input names; a line of JSON before and after each."""
    seed, folder = int(sys.argv[1]), Path(sys.argv[2])
    cases = json.load(sys.stdin)
    from fuzzing.targets import make_target

    targets = {}
    for name, number in cases:
        if name not in targets:
            targets[name] = make_target(name, folder / "valid" / f"{name}-{os.getpid()}")
            _limit_memory()
        case = folder / f"{name}-{number}"
        shutil.rmtree(case, ignore_errors=True)
        case.mkdir()
        faults = targets[name].make(Random(f"{seed}/{name}/{number}"), case)
        _write({"target": name, "number": number, "faults": faults})
        outcome, message = _run(targets[name], case)
        _write(asdict(Finding(name, number, outcome, faults, message)))
        if outcome != "fault":
            shutil.rmtree(case, ignore_errors=True)
    for target in targets.values():
        target.close()


def _write(event: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def _limit_memory() -> None:
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + _MEMORY_BYTES, resource.RLIM_INFINITY))


def _run(target: object, case: Path) -> tuple[str, str]:
    from radsam.errors import InputError, RadsamError
    from radsam.server.server_errors import TooLargeError

    warned: list[str] = []

    def warn(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
        if not category.__module__.startswith("radsam."):
            foreign.append(f"{category.__name__}: {message}")
        warned.append(str(message))

    foreign: list[str] = []
    signal.setitimer(signal.ITIMER_PROF, _CPU_SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = warn  # type: ignore[assignment]
            outcome = target.read(case, warned)  # type: ignore[attr-defined]
    except RadsamError as error:
        text = str(error)
        causes = [repr(each) for each in _chain(error)]
        if not isinstance(error, InputError | TooLargeError):
            return "fault", f"{type(error).__name__} does not blame the input: {text}"
        if not text.strip() or _NO_WORDS.search(text):
            return "fault", f"not a sentence for users: {text}"
        if any(_MEMORY_WORDS.search(each) for each in causes):
            return "fault", f"memory was requested first: {text} {causes}"
        return "refused", text
    except BaseException as error:
        import traceback

        place = traceback.extract_tb(error.__traceback__)[-1]
        return "fault", f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if foreign:
        return "fault", f"a warning of a library reaches the user: {foreign[0]}"
    return outcome, " ".join(warned)


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


if __name__ == "__main__":
    main()
