"""Errors of tfzoo: each says what was wrong, what was expected and what to do next."""

from tfzoo.outside import in_a_message


class TfzooError(Exception):
    """Base of every error that tfzoo raises on purpose.

    No message tells the password or the signature of an address, whoever made it, nor a name that
    has no end.

    Attributes:
        exit_code: What the command line exits with when this error ends a command:
            2 where the request itself was wrong, 3 where nothing could be run.
    """

    exit_code = 3

    def __init__(self, *told: object) -> None:
        super().__init__(*(in_a_message(one) if isinstance(one, str) else one for one in told))


class UsageError(TfzooError):
    """The request itself does not make sense; ask differently."""

    exit_code = 2


class UnknownModelError(UsageError):
    """No model goes by this name, and what lies at this path, if anything does, is none."""


class AmbiguousModelError(UsageError):
    """A short form fits several models."""


class ManifestError(UsageError):
    """A manifest file is not valid."""


class DeviceError(TfzooError):
    """The device asked for is not on this machine."""


class RuntimeUnavailableError(TfzooError):
    """The runtime asked for is not installed."""


class ModelFormatError(TfzooError):
    """A model is damaged, or its inputs and outputs fit no known kind of detector."""


class ImageError(TfzooError):
    """An image could not be read."""


class OutputError(TfzooError):
    """Results could not be written."""


class StoreError(TfzooError):
    """A model could not be fetched, verified, unpacked or cached."""


class OfflineError(StoreError):
    """A download is needed, and downloads are switched off."""


class DownloadError(StoreError):
    """No source of a model could be downloaded."""


class VerificationError(StoreError):
    """Downloaded bytes are not what they should be, or nothing vouches for them."""


class ArchiveError(StoreError):
    """An archive is damaged, hostile or holds no model."""


class UntrustedModelError(TfzooError):
    """A model that nothing vouches for may do more than to compute."""


class AnnotationError(UsageError):
    """A file of annotations or predictions is not what its format asks for."""


class MeasurementError(TfzooError):
    """A measurement could not be taken or its files could not be read."""


class NothingQualifiesError(TfzooError):
    """No model keeps within a budget."""
