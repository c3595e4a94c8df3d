"""The command ``stylecinegan``: dispatches to the subcommands' modules of this package."""

import difflib
import gc
import importlib
import logging
import os
import shlex
import sys
from types import ModuleType

import stylecinegan
from stylecinegan.cli.arguments import HELP_FLAGS, read_arguments
from stylecinegan.cli.extras import explain_missing
from stylecinegan.cli.help_page import help_page
from stylecinegan.cli.libraries import defer_meta_kernels, load_libraries
from stylecinegan.errors import InputError
from stylecinegan.freed_memory import keep_freed_memory
from stylecinegan.resources import CONFIGS_DIR

COMMANDS = {
    "generate": "turn a photo, or a folder of them, into looping videos",
    "style_sheet": "preview a photo in many styles on one page",
    "annotate": "predict masks to correct by hand, and read the corrections as labels",
    "prepare_data": "make training data: motion of clips, soft labels of skies",
    "train": "train one of the networks",
    "evaluate": "measure one of the tables",
    "app": "open the browser app, where the loop plays while you draw",
    "user_study": "build the web page of a user study",
    "benchmark": "measure speed and memory",
    "fetch_checkpoints": "convert other people's weights",
}
"""Summaries of the subcommands; hyphens and underscores in their names are equivalent."""


def main() -> None:
    """Runs the subcommand named by the first argument of the process."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in HELP_FLAGS:
        _show(help_text())
        return
    if name == "--version":
        print(f"stylecinegan {stylecinegan.__version__}")
        return
    command = name.replace("-", "_")
    if command not in COMMANDS:
        sys.exit(f"error: {_about_command(name, rest)}")
    sys.argv = [f"stylecinegan {command}", *rest]
    run(command)
    if command == "generate":
        _exit_fast()


def run(command: str) -> None:
    """Runs a subcommand with the arguments of the process.

    Help and misspelt settings do not load PyTorch, which takes seconds.

    Args:
        command: Its name in :data:`COMMANDS`.
    """
    if (CONFIGS_DIR / f"{command}.yaml").is_file():
        if set(HELP_FLAGS) & set(sys.argv[1:]):
            _show(help_page(command, sys.argv[1:]))
            return
        try:
            sys.argv[1:] = read_arguments(command, sys.argv[1:])
        except InputError as error:
            sys.exit(f"error: {error}")
    # Huge pages: page faults of small ones took a third of a network's processor time.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if command == "generate":
        # Threads of NumPy's OpenBLAS busy-wait for a while after it is loaded.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        keep_freed_memory()
        defer_meta_kernels()
    load_libraries()  # which read these variables
    try:
        module = _load(command)
    except ModuleNotFoundError as error:
        if (missing := explain_missing(error)) is None:
            raise
        sys.exit(f"error: {missing}")
    module.run()


def _about_command(name: str, rest: list[str]) -> str:
    """Explains a first argument that names no command."""
    if "=" in name or os.path.exists(name):
        return f"a command is missing: stylecinegan generate {shlex.join([name, *rest])}"
    close = difflib.get_close_matches(name.replace("-", "_"), COMMANDS, 1)
    hint = f"did you mean {close[0]}?" if close else f"one of {', '.join(COMMANDS)}"
    return f"no command {name}; {hint}"


def _exit_fast() -> None:
    """Ends the process without destroying its modules one by one, which takes 0.1 s."""
    logging.shutdown()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # a closed pipe, which Python reports when it exits normally
        return
    os._exit(0)


def _opens_session() -> bool:
    """Whether a session file completes the settings of the command line."""
    return any(argument.startswith("session=") for argument in sys.argv[1:])


def _load(command: str) -> ModuleType:
    """Imports the module of a subcommand, and with it PyTorch.

    Its 300,000 objects live as long as the process and are excluded from garbage collection, which
    would otherwise scan them several times during the import and twice at exit.
    """
    gc.disable()
    try:
        if command == "generate" and not _opens_session():
            # Settings are composed while the libraries load, so that invalid ones are reported
            # before PyTorch is imported.
            command_line = importlib.import_module("stylecinegan.cli.command_line")
            command_line.compose_ahead(command, sys.argv[1:])
        return importlib.import_module(f"stylecinegan.cli.{command}")
    finally:
        gc.freeze()
        gc.enable()


def _show(text: str) -> None:
    """Prints a text; a pipe that is closed early (``--help | head``) is not an error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def help_text() -> str:
    """Formats the list of subcommands."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:{width}}{summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "usage: stylecinegan COMMAND [key=value ...]",
            "",
            "One landscape photo in, a seamless looping cinemagraph out.",
            "",
            *lines,
            "",
            "stylecinegan COMMAND --help explains the settings of a command.",
            "Example: stylecinegan generate photo=lake.jpg video=lake.mp4",
        ]
    )
