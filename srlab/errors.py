"""The exceptions that are meant for the user.

UserError, each a mistake that can be mended
  ConfigError        a config does not fit the code
  CheckpointError    a file is no checkpoint, is damaged, or is not what it says
  DataMissing        images are not where they are looked for
  OutputExists       something would be overwritten
  OutOfMemory        the computer's memory, or a GPU's, is too small
Interrupted          a signal ended what is saved
"""


class UserError(Exception):
    """A mistake the user can mend, told in one sentence; the command line exits with status 2."""


class ConfigError(UserError):
    """A config that does not fit the code."""


class CheckpointError(UserError):
    """A file that is no checkpoint, is damaged or cannot be built."""


class DataMissing(UserError):
    """Images that are not where they are looked for, or not all of them."""


class OutputExists(UserError):
    """An output that is there already; nothing is overwritten."""


class OutOfMemory(UserError):
    """The memory, be it the computer's or a GPU's, does not hold what was asked for."""


class Interrupted(Exception):
    """A run that a signal ended after everything was saved.

    Args:
        message: What was saved and how to go on.
        exit_code: 128 plus the number of the signal, as shells expect.
    """

    def __init__(self, message: str, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code


class WaitingWarning(UserWarning):
    """Something lets the CPU wait for a GPU within a training step, which no graph can record."""


class CheckerboardWarning(UserWarning):
    """An upsampler is set up so that it tends to leave a checkerboard."""


class DepthWarning(UserWarning):
    """Pictures have more bits than are used of them."""
