"""Every error that RadSAM raises on purpose.

A message names what was given, what is needed and what to try. The command line
turns each branch into one exit code::

    RadsamError
    ├── InputError            exit code 3: the input cannot be used
    │   ├── VolumeError           a file or folder that is not one readable CT volume
    │   │   └── SeriesError           a DICOM folder: several series, gaps, tilt, duplicates
    │   ├── PromptError           a prompt or bounds that do not fit the volume
    │   │   └── RequestError          a request whose values have a wrong type or range
    │   ├── GridMismatchError     a mask on another grid than the volume
    │   ├── BundleError           a weights bundle or checkpoint that is missing or broken
    │   ├── DatasetError          a dataset or a store of training cases that cannot be used
    │   ├── ManifestError         a manifest of a batch, or a row of one, that cannot be used
    │   ├── SessionError          a session file, object or history that cannot be used
    │   ├── PacsRequestError      an address, a login or a UID that a PACS does not accept
    │   └── OutputError           a file that cannot be written
    └── ExecutionError        exit code 4: the input was fine, running it was not
        ├── BackendError          the inference engine failed or is not available
        ├── InUseError            a file or folder that another process is changing
        ├── PacsError             a PACS that cannot be reached or trusted, closes the connection or fails
        └── MissingExtraError     an optional dependency is not installed
"""


class RadsamError(Exception):
    """Base of every error that RadSAM raises on purpose."""

    exit_code = 4


class InputError(RadsamError):
    """The input cannot be used."""

    exit_code = 3


class VolumeError(InputError):
    """A file or folder that is not one readable CT volume."""


class SeriesError(VolumeError):
    """A DICOM folder that is not exactly one regular image series."""


class PromptError(InputError):
    """A prompt or bounds that do not fit the volume."""


class RequestError(PromptError):
    """A request to a session whose values have a wrong type or range; the message names all of them."""


class GridMismatchError(InputError):
    """A mask on another grid than the volume it is used with."""


class BundleError(InputError):
    """A weights bundle or checkpoint that is missing, altered or of an unknown kind."""


class DatasetError(InputError):
    """A dataset or a store of training cases that is missing, of another kind or of another version."""


class ManifestError(InputError):
    """A manifest of a batch, or a row of one, that cannot be used."""


class SessionError(InputError):
    """A session file, an object name or a history step that cannot be used."""


class PacsRequestError(InputError):
    """An address, a login, a query or a UID that a PACS does not accept."""


class OutputError(InputError):
    """A file that cannot be written; nothing partial is left behind."""


class ExecutionError(RadsamError):
    """The input was fine; running it was not."""

    exit_code = 4


class BackendError(ExecutionError):
    """The inference engine failed or is not available on this machine."""


class InUseError(ExecutionError):
    """A file or folder that another process is changing.

    Args:
        target: The file or folder.
        holder: Who changes it: the command, its process, the computer and since when.
    """

    def __init__(self, target: object, holder: str) -> None:
        super().__init__(
            f"{target} is in use by {holder}. Nothing was changed. Wait until it is done, or end it, and try again."
        )
        self.holder = holder


class PacsError(ExecutionError):
    """A PACS that cannot be reached or trusted, closes the connection or fails.

    Args:
        message: What happened and what to try.
        transient: Whether another try may help.
    """

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class MissingExtraError(ExecutionError):
    """An optional dependency is not installed.

    Args:
        feature: The wanted feature, in words ("Converting a checkpoint").
        extra: The extra of this package that brings it ("torch").
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the optional part '{extra}', which is not installed. "
            f"Install it with: pip install 'radsam[{extra}]'"
        )
        self.extra = extra
