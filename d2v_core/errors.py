"""The exceptions of the workbench: whatever a user can mend is a D2VError, anything else is a bug.

D2VError
├── ConfigError      a setting that cannot work
├── InputError       a file, folder or argument that cannot be used
│   └── MediaError   one picture, sound or text that cannot be decoded
├── CheckpointError  a run folder or checkpoint that cannot be read or written
├── StoreError       an embedding store that cannot be read, or does not fit the question
└── TrainingError    a training that had to stop
    ├── CollapseError  ... because the representation collapsed
    └── StoppedError   ... because somebody asked it to
"""


class D2VError(Exception):
    """What the user can mend; the message says what was found, what was wanted and what to do."""


class ConfigError(D2VError):
    """A setting that cannot work."""


class InputError(D2VError):
    """A file, folder or argument that cannot be used."""


class MediaError(InputError):
    """One picture, sound or text that cannot be decoded."""


class CheckpointError(D2VError):
    """A run folder or a checkpoint that cannot be read or written."""


class StoreError(D2VError):
    """An embedding store that cannot be read, or does not fit the question."""


class TrainingError(D2VError):
    """A training that had to stop."""


class CollapseError(TrainingError):
    """The representation collapsed; the message names the signal that showed it."""


class StoppedError(TrainingError):
    """The training was asked to stop, and did.

    Args:
        message: where it stopped and how to go on.
        signal: number of the signal that asked.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal
