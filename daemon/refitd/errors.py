"""Every error refitd raises on purpose, drawn as a tree.

    RefitdError
    ├── SettingsError              the settings cannot be used; nothing was started
    ├── BadRequest                 a request row or command line asks for what cannot be
    ├── DatabaseError
    │   ├── DatabaseUnavailable    no connection, or it broke: try again         (transient)
    │   └── DatabaseRefused        missing schema, right, column: needs a person
    ├── LeaseLost                  another daemon acts on this target now        (transient)
    ├── EngineError
    │   ├── EngineUnavailable      the engine does not answer, or not in time    (transient)
    │   ├── EngineRefused          the engine said no to this call
    │   │   ├── NotFound           … because there is no such thing
    │   │   └── Conflict           … because something is in the way
    │   └── EngineTooOld           its API is below the floor
    ├── SourceError
    │   ├── SourceUnavailable      the git remote does not answer                (transient)
    │   └── SourceRefused          no such branch, folder, scheme; no access
    ├── BuildFailed                the image did not build
    │   ├── BuildTimedOut          … within its deadline
    │   └── BuildCancelled         … because nobody wants it any more
    └── ReplacementRefused         the container cannot be replaced without loss
        └── NotAlone               … or it is not clear which it is, of two      (transient)

An *operating* error has a name here and is handled. An impossible state is an `assert`:
its loop ends, that is said with the traceback and shown in the health, and the loop is begun
anew, which is safe at every moment.

The message is written where the error is raised: it names the thing and the way out, and
never holds a secret (a DSN or a URL passes through `core.redact` first).
"""

from __future__ import annotations


class RefitdError(Exception):
    """Anything refitd raises on purpose."""

    #: Worth trying again by itself after a delay: the cause lies outside table and settings.
    transient = False


class SettingsError(RefitdError):
    """The settings cannot be used; nothing was started."""


class BadRequest(RefitdError):
    """A request row or a command line asks for what cannot be done."""


class DatabaseError(RefitdError):
    """Postgres did not do what was asked."""


class DatabaseUnavailable(DatabaseError):
    """No connection to Postgres, or it broke or fell silent under a statement."""

    transient = True


class DatabaseRefused(DatabaseError):
    """Postgres answered, and said no: a schema, right or column is missing."""


class LeaseLost(RefitdError):
    """Another daemon holds the lease on this target, or ours can no longer be trusted."""

    transient = True


class EngineError(RefitdError):
    """The container engine did not do what was asked."""


class EngineUnavailable(EngineError):
    """The engine does not answer, or not in time.

    The call may have happened all the same: look before calling again.
    """

    transient = True


class EngineRefused(EngineError):
    """The engine answered, and said no to this call."""


class NotFound(EngineRefused):
    """There is no such container, image or network."""


class Conflict(EngineRefused):
    """Something is in the way: a name in use, a container in the wrong state."""


class EngineTooOld(EngineError):
    """The engine's API version is below what refitd needs."""


class SourceError(RefitdError):
    """The backend's source cannot be had."""


class SourceUnavailable(SourceError):
    """The git remote does not answer."""

    transient = True


class SourceRefused(SourceError):
    """No such branch, folder or scheme, or no access."""


class BuildFailed(RefitdError):
    """The image did not build."""


class BuildTimedOut(BuildFailed):
    """The image did not build within its deadline, and the engine was told to stop."""


class BuildCancelled(BuildFailed):
    """The build was stopped because nobody wants its result any more."""

    transient = True


class ReplacementRefused(RefitdError):
    """The container cannot be replaced without losing something; nothing was touched."""


class NotAlone(ReplacementRefused):
    """Another runs that may be the backend: as soon as one of them is gone, all is clear."""

    transient = True
