import os
import secrets
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stylecinegan.errors import InputError

PathLike = str | os.PathLike[str]

# The empty suffix means a folder of frames.
VIDEO_SUFFIXES = (".mp4", ".webm", ".mov", ".gif", ".webp", ".avif", ".apng", "")

MAX_FILE_BYTES = 2**30
"""Maximal bytes of a file that is read at once: more than an uncompressed picture needs."""


def existing_file(path: PathLike, wanted: str, *, max_bytes: int | None = MAX_FILE_BYTES) -> Path:
    """Finds a file that the user named.

    Args:
        path: Absolute or relative; ``~`` is the home folder and a trailing slash does not matter.
        wanted: Content of the file with its article, for the message.
        max_bytes: Its largest size; ``None`` for a file that is streamed.

    Returns:
        The path.

    Raises:
        InputError: If there is no such file, or it is empty, too large or a directory.
    """
    try:
        file = expand_home(path)
        if not file.exists():
            raise InputError(f"cannot read {path}: wanted {wanted}, found no such file")
        if not file.is_file():
            found = "a directory" if file.is_dir() else "something that is not a file"
            raise InputError(f"cannot read {path}: wanted {wanted}, found {found}")
        if file.stat().st_size == 0:
            raise InputError(f"cannot read {path}: wanted {wanted}, found an empty file")
        if max_bytes is not None and file.stat().st_size > max_bytes:
            raise InputError(
                f"cannot read {path}: wanted {wanted} of at most {max_bytes >> 20} MiB, found "
                f"{file.stat().st_size >> 20} MiB"
            )
        with file.open("rb"):
            pass
    except (OSError, ValueError) as error:  # a null character is a ValueError
        if isinstance(error, InputError):
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"cannot read {path}: {reason}") from error
    return file


def expand_home(path: PathLike) -> Path:
    """Expands a leading ``~`` if there is such a home directory."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def output_path(path: PathLike) -> tuple[Path, str]:
    """Expands an output path and finds its suffix.

    Returns:
        The path, and its suffix in lower case: empty for a folder, that is a path without a suffix
        or with a trailing slash.
    """
    # Path() drops a trailing slash.
    is_folder = os.fspath(path).endswith(("/", os.sep))
    target = expand_home(path)
    if target.name in ("", ".."):
        target, is_folder = target.resolve(), True
    return target, "" if is_folder else target.suffix.lower()


def check_writable(path: PathLike, suffixes: Collection[str] = VIDEO_SUFFIXES) -> None:
    """Checks that a result can be written, so that a script can fail before computing it.

    Args:
        path: File to write, or folder (no suffix or a trailing slash). Missing parents are fine.
        suffixes: Supported suffixes; the empty one means a folder of PNG frames.

    Raises:
        InputError: If the suffix is unsupported, a folder cannot be written to, or the path exists
            as another kind of file, is read-only, or is a folder of other files than frames.
    """
    target, suffix = output_path(path)
    if suffix not in suffixes:
        wanted = ", ".join(sorted(filter(None, suffixes)))
        folder = " or a folder (with a trailing slash)" if "" in suffixes else ""
        found = f"'{target.suffix}'" if suffix else "no ending"
        raise InputError(
            f"cannot write {path}: wanted a name ending in {wanted}{folder}, found {found}"
        )
    with reporting_write_errors(path):
        if "\0" in os.fspath(path):
            raise InputError(f"cannot write {path!r}: wanted a name, found a null character")
        _check_target(path, target, is_folder=suffix == "")
        ancestor = next(parent for parent in target.absolute().parents if parent.exists())
        if not ancestor.is_dir():
            raise InputError(f"cannot write {path}: {ancestor} is a file and not a folder")
        # Trying is the only reliable check: permission bits say nothing about read-only mounts.
        with tempfile.NamedTemporaryFile(dir=ancestor, prefix=".partial-"):
            pass


def _check_target(path: PathLike, target: Path, *, is_folder: bool) -> None:
    if not target.exists():
        return
    if not is_folder:
        if target.is_dir():
            raise InputError(f"cannot write {path}: wanted a file, found a directory there")
        if not target.is_file() or not os.access(target, os.W_OK):
            raise InputError(f"cannot write {path}: what is there must not be replaced")
        return
    if not target.is_dir():
        raise InputError(f"cannot write {path}: wanted a folder of frames, found a file there")
    for entry in target.iterdir():
        if not entry.match("frame_*.png") or not entry.is_file():
            raise InputError(
                f"cannot write {path}: wanted a folder of nothing but frame_*.png to replace, "
                f"found {entry.name} in it"
            )


@contextmanager
def reporting_write_errors(path: PathLike) -> Iterator[None]:
    """Turns system errors of writing ``path`` into an :class:`InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def replacing(path: PathLike, suffixes: Collection[str]) -> Iterator[Path]:
    """Yields a temporary path beside ``path``, renamed to it when the block completes.

    If the block raises, even for an interrupt, nothing is left behind and what was at ``path``
    is untouched. A temporary folder (empty suffix) is created, a temporary file is not.

    Args:
        path: File or folder to write; parents are created.
        suffixes: As for :func:`check_writable`, which is called first.

    Yields:
        The temporary path, absolute, with the suffix of ``path``.

    Raises:
        InputError: If ``path`` cannot be written.
    """
    check_writable(path, suffixes)
    relative, suffix = output_path(path)
    # Absolute, so that a colon in a name is not taken for a protocol by FFmpeg; a symbolic link
    # is followed, so that its target is what is replaced.
    target = Path(os.path.realpath(relative))
    created = [parent for parent in target.parents if not parent.exists()]
    temporary = target.with_name(f".partial-{secrets.token_hex(4)}{suffix}")
    try:
        with reporting_write_errors(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            if suffix == "":
                temporary.mkdir()
        yield temporary
        with reporting_write_errors(path):
            # Checked again, because writing may have taken minutes.
            _check_target(path, target, is_folder=suffix == "")
            _rename(temporary, target)
    except BaseException:
        _remove(temporary)
        with suppress(OSError):
            for parent in created:
                parent.rmdir()
        raise


def _rename(temporary: Path, target: Path) -> None:
    if not target.is_dir():
        os.replace(temporary, target)
        return
    # A folder with frames in it cannot be replaced in one step.
    previous = target.with_name(f".partial-{secrets.token_hex(4)}")
    try:
        target.rename(previous)
        temporary.rename(target)
    except BaseException:
        if previous.exists():
            # Fails if another process has written its frames there meanwhile; they are kept.
            with suppress(OSError):
                previous.rename(target)
        raise
    finally:
        _remove(previous)


def _remove(temporary: Path) -> None:
    if temporary.is_dir():
        shutil.rmtree(temporary, ignore_errors=True)
    else:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
