"""Translation of the command line to Hydra's grammar: bare paths, flags, misspellings."""

import difflib
from collections.abc import Collection, Mapping, Sequence

from stylecinegan.cli.help_page import read_groups, read_sections
from stylecinegan.cli.quoting import names_file
from stylecinegan.errors import InputError
from stylecinegan.resources import CONFIGS_DIR

BARE_KEYS = {
    "generate": "photo",
    "style_sheet": "photo",
    "annotate": "photos",
    "prepare_data": "source",
}
"""Key that a bare path stands for, by command."""

SYNONYMS = {
    **dict.fromkeys(("image", "img", "picture", "input", "i"), "photo"),
    **dict.fromkeys(("output", "out", "o", "result"), "video"),
    **dict.fromkeys(("frames", "n_frames", "length"), "num_frames"),
    **dict.fromkeys(("resolution", "width", "height"), "size"),
    **dict.fromkeys(("prompt", "caption"), "text"),
    **dict.fromkeys(("direction", "flow"), "motion"),
}
"""Settings by the names that they have in other programs."""

SESSION_SUFFIX = ".stylecinegan"
"""Suffix of the browser app's session files; a bare one stands for ``session=`` of ``generate``."""

FLAGS = {
    "app": {
        "--port": "port",
        "--host": "host",
        "--token": "token",
        "--no-browser": "browser=false",
    }
}
"""Settings of a command's flags; flags without a value have a complete override."""

HELP_FLAGS = ("-h", "--help", "help")

_HYDRA_FLAGS = {
    *("--hydra-help", "--version", "--resolve", "--run", "-r", "--multirun", "-m"),
    *("--shell-completion", "-sc", "--info", "-i"),
}
_HYDRA_FLAGS_WITH_VALUE = {
    *("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn"),
    *("--config-dir", "-cd", "--experimental-rerun"),
}


def read_arguments(command: str, arguments: Sequence[str]) -> list[str]:
    """Translates the arguments of a command: completes bare paths and explains misspellings.

    Args:
        command: Name of the command and of its configuration.
        arguments: The arguments after it.

    Returns:
        Arguments in Hydra's grammar.

    Raises:
        InputError: If an argument is not ``key=value``, with a suggested spelling.
    """
    known = setting_names(command)
    bare_key = BARE_KEYS.get(command)
    if bare_key is not None and not arguments:
        value = "lake.jpg" if bare_key == "photo" else "FOLDER"
        example = f"stylecinegan {command} {bare_key}={value}"
        raise InputError(f"{bare_key}= is needed, e.g. {example}; --help lists all settings")
    read: list[str] = []
    bare: list[str] = []
    flags: list[str] = []
    waiting = _without_dashes(arguments, FLAGS.get(command, {}))
    while waiting:
        argument = waiting.pop(0)
        following = waiting[0] if waiting else None
        if argument in _HYDRA_FLAGS_WITH_VALUE or argument.split("=")[0] in _HYDRA_FLAGS_WITH_VALUE:
            flags.append(argument)
            if "=" not in argument and waiting:
                flags.append(waiting.pop(0))
        elif argument in _HYDRA_FLAGS or argument.split("=")[0] == "--info":
            flags.append(argument)
        elif argument.startswith("-") and not names_file(argument):
            raise InputError(_about_dashes(argument, following, known))
        elif _is_bare(argument, following, known):
            bare.append(argument)
        else:
            _check_spelling(argument, waiting, known)
            read.append(argument)
    if command == "generate" and any(path.endswith(SESSION_SUFFIX) for path in bare):
        bare_key = "session"
    # Hydra takes all settings in one row, so its flags come first.
    return flags + _with_bare(bare, bare_key, read)


def setting_names(command: str) -> set[str]:
    """Lists the keys of a command's settings, groups and default choices."""
    file = CONFIGS_DIR / f"{command}.yaml"
    groups = read_groups(file)
    sections = read_sections(file)
    for group, default in groups.items():
        choice = CONFIGS_DIR / group / f"{default}.yaml"
        if choice.is_file():
            sections += read_sections(choice, f"{group}.")
    return {setting.key for section in sections for setting in section.settings} | set(groups)


def suggestion(name: str, known: Collection[str]) -> str:
    """End of a message about an unknown setting: the most similar one, and where all are listed.

    Args:
        name: The unknown name.
        known: Names of the settings.

    Returns:
        For example ``"; did you mean photo=? --help lists the settings"``.
    """
    meant = SYNONYMS.get(name.lower())
    if meant not in known:
        by_last = {key.rsplit(".", 1)[-1]: key for key in known}
        close = difflib.get_close_matches(name.rsplit(".", 1)[-1], by_last, 1)
        meant = by_last[close[0]] if close and close[0] != name else None
    question = "" if meant is None else f" did you mean {meant}=?"
    return f";{question} --help lists the settings"


def _without_dashes(arguments: Sequence[str], flags: Mapping[str, str]) -> list[str]:
    """Replaces the flags of a command by settings: ``--port 80``, ``--port=80`` by ``port=80``."""
    read, waiting = [], list(arguments)
    while waiting:
        argument = waiting.pop(0)
        flag, equals, value = argument.partition("=")
        setting = flags.get(flag)
        if setting is None:
            read.append(argument)
        elif "=" in setting:
            read.append(setting)
        elif equals or waiting:
            read.append(f"{setting}={value if equals else waiting.pop(0)}")
        else:
            raise InputError(f"{flag} needs a value, e.g. {flag}=VALUE")
    return read


def _is_bare(argument: str, following: str | None, known: Collection[str]) -> bool:
    """Whether an argument is an existing path, rather than a setting with an equals sign."""
    key, equals, _ = argument.partition("=")
    if (equals and key.strip() in known) or (following or "").startswith("="):
        return False
    return names_file(argument)


def _with_bare(bare: list[str], key: str | None, read: list[str]) -> list[str]:
    """Adds the override for a bare path; several, or one besides an override, are refused."""
    if not bare:
        return read
    if key is None:
        raise InputError(f"settings are written key=value, got {bare[0]}; --help lists them")
    given = [argument for argument in read if argument.startswith(f"{key}=")]
    if len(bare) > 1 or given:
        found = " and ".join([*given, *bare][:2])
        kind = "a file" if key == "session" else "a file, or a folder of many"
        raise InputError(f"wanted one {key}= ({kind}), got {found}")
    return [f"{key}={bare[0]}", *read]


def _about_dashes(argument: str, following: str | None, known: Collection[str]) -> str:
    """Message about a setting that is written as a flag, or an unknown flag."""
    name, equals, value = argument.lstrip("-").partition("=")
    name = name.replace("-", "_")
    if not equals and following is not None and "=" not in following:
        value = following
    if name in known:
        return f"settings are written without dashes: {name}={value or 'VALUE'}"
    return f"no option {argument}{suggestion(name, known)}"


def _check_spelling(argument: str, behind: Sequence[str], known: Collection[str]) -> None:
    """Refuses arguments without an equals sign, or with spaces around it.

    Raises:
        InputError: With the right spelling.
    """
    key, equals, value = argument.partition("=")
    name = key.strip()
    if not equals and argument in known and behind and behind[0].startswith("="):
        equals, value, behind = "=", behind[0][1:], behind[1:]
        key += " "
    next_value = behind[0] if behind and "=" not in behind[0] else ""
    if equals and (name != key or (not value and next_value)):
        value = value.strip() or next_value or "VALUE"
        raise InputError(f"settings are written without spaces: {name}={value}")
    if equals or argument.startswith(("~", "+")):
        return
    if argument in known:
        value = next_value or "VALUE"
        raise InputError(f"settings are written key=value: {name}={value}")
    if "." in argument or "/" in argument:
        raise InputError(f"found no file {argument}; --help lists the settings")
    raise InputError(f"settings are written key=value, got {argument}{suggestion(argument, known)}")
