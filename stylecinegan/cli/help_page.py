"""Help pages of the commands, generated from the comments of their configuration files."""

import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from stylecinegan.resources import CONFIGS_DIR

_LINE = re.compile(
    r"(?P<indent> *)(?P<key>[\w-]+):(?: +(?P<value>[^#]*?))?(?: +# (?P<comment>.*))?"
)
_COMMENT = re.compile(r"(?P<indent> *)# ?(?P<text>.*)")
_EXAMPLE = re.compile(r"(?P<meaning>.*?)[;,]? ?e\.g\. (?P<example>.*)")
_KEY_WIDTH = 20
# Not settings of the command: Hydra's own options and the class to build.
_HIDDEN = ("hydra", "defaults", "_target_", "_partial_")


@dataclass(frozen=True)
class Setting:
    """A key of a configuration file.

    Attributes:
        key: Name on the command line, with dots.
        default: Value as in the file; ``None`` if it is required.
        meaning: Comment beside it, without the example.
        example: Example after "e.g." in the comment.
    """

    key: str
    default: str | None
    meaning: str = ""
    example: str = ""


@dataclass
class Section:
    """Settings under a common comment."""

    title: str = ""
    settings: list[Setting] = field(default_factory=list)


def read_sections(file: Path, prefix: str = "") -> list[Section]:
    """Reads the settings of a configuration file with their comments.

    The comment after a key explains it and may continue in indented comments on the next lines; a
    comment at the margin after an empty line starts a section.

    Args:
        file: A file of ``configs/``.
        prefix: Prefix of its keys on the command line, such as ``"table."``.
    """
    sections = [Section()]
    parents: list[tuple[int, str]] = []  # indentation and name of the keys above
    before = ""
    is_hidden = False
    for number, line in enumerate(file.read_text().splitlines()):
        comment = _COMMENT.fullmatch(line)
        found = _LINE.fullmatch(line.rstrip())
        if comment and comment["indent"] and sections[-1].settings and not is_hidden:
            sections[-1].settings[-1] = _continued(sections[-1].settings[-1], comment["text"])
        elif comment and not comment["indent"] and number and not before.strip():
            sections.append(Section(comment["text"]))
        elif found:
            indent = len(found["indent"])
            parents = [parent for parent in parents if parent[0] < indent]
            path = [name for _, name in parents] + [found["key"]]
            is_hidden = any(name in _HIDDEN for name in path)
            value = (found["value"] or "").strip()
            if not value:
                parents.append((indent, found["key"]))
            if not is_hidden and (value or found["comment"]):
                sections[-1].settings.append(
                    _setting(prefix + ".".join(path), value, found["comment"] or "")
                )
        before = line
    return [section for section in sections if section.settings]


def read_choices(group: str) -> dict[str, str]:
    """Lists the files of a configuration group with the first sentence of their comments."""
    folder = CONFIGS_DIR / group
    choices = {}
    for file in sorted(folder.rglob("*.yaml"), key=lambda file: (file.parent, file)):
        name = file.relative_to(folder).with_suffix("").as_posix()
        choices[name] = re.split(r"(?<=\.)(?<!Sec\.)(?<!al\.) |:$", " ".join(_about(file)))[0]
    return choices


def read_groups(file: Path) -> dict[str, str | None]:
    """Lists the groups of a configuration with their default choices; ``None`` if required."""
    defaults = yaml.safe_load(file.read_text()).get("defaults", [])
    groups = [entry for entry in defaults if isinstance(entry, dict)]
    return {
        name: None if choice == "???" else str(choice)
        for entry in groups
        for name, choice in entry.items()
        if not name.startswith("override ")
    }


def help_page(command: str, arguments: Sequence[str] = ()) -> str:
    """Formats the help page of a command.

    Args:
        command: Its name and that of its configuration.
        arguments: Other arguments of the command line: a chosen file of a group
            (``table=4``) adds its settings to the page.
    """
    file = CONFIGS_DIR / f"{command}.yaml"
    width = min(100, shutil.get_terminal_size((96, 24)).columns)
    chosen = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    groups = read_groups(file)
    open_groups = [name for name, default in groups.items() if default is None]
    owners = [f"{name}=" for name in open_groups if _is_global(name)]
    sections, choices = read_sections(file), []
    for group, default in groups.items():
        choices += _group_lines(group, default, width)
        sections += _sections_of(group, chosen.get(group, default))
    lines = [f"usage: {program(command)} key=value ...", "", *_about(file), ""]
    if open_groups:
        lines, choices = lines + choices, []
    for section in sections:
        lines += [section.title.rstrip(".:")] if section.title else []
        for setting in section.settings:
            lines += _setting_lines(setting, " or ".join(owners), width)
        lines += [""]
    lines += choices
    lines += [f"{name}=NAME --help adds the settings of that {name}." for name in open_groups]
    lines += ["null stands for none. -m runs a list of values one after another: speed=0.5,1,2."]
    return "\n".join(lines)


def program(command: str) -> str:
    """Program name of a command: that of its script, if it was started by one."""
    script = Path(sys.argv[0])
    is_script = script.suffix == ".py" and script.parent.name == "scripts"
    return f"python {script}" if is_script else f"stylecinegan {command}"


def _about(file: Path) -> list[str]:
    """Comments at the head of a configuration."""
    about = []
    for line in file.read_text().splitlines():
        comment = _COMMENT.fullmatch(line)
        if comment is None:
            break
        if not comment["text"].startswith("@package"):
            about.append(comment["text"])
    return about


def _sections_of(group: str, choice: str | None) -> list[Section]:
    """Settings of the chosen file of a group."""
    file = CONFIGS_DIR / group / f"{choice}.yaml"
    if choice is None or not file.is_file():
        return []
    sections = read_sections(file, "" if _is_global(group) else f"{group}.")
    for section in sections:
        section.title = section.title or f"Of {group}={choice}"
    return sections


def _is_global(group: str) -> bool:
    """Whether the files of a group set the command's own keys."""
    files = (CONFIGS_DIR / group).glob("*.yaml")
    return any("# @package _global_" in file.read_text() for file in files)


def _setting(key: str, value: str, comment: str) -> Setting:
    example = _EXAMPLE.fullmatch(comment)
    default = None if value == "???" else value
    if example:
        return Setting(key, default, example["meaning"], example["example"])
    return Setting(key, default, comment)


def _continued(setting: Setting, text: str) -> Setting:
    """A setting whose comment continues on the next line."""
    comment = setting.meaning + (f" e.g. {setting.example}" if setting.example else "")
    return _setting(
        setting.key, "???" if setting.default is None else setting.default, f"{comment} {text}"
    )


def _setting_lines(setting: Setting, owners: str, width: int) -> list[str]:
    """A setting with its meaning, default and example; ``owners`` are groups that may give it."""
    facts = []
    if setting.default is None:
        facts.append(f"given by {owners}" if owners else "required")
    elif setting.default not in ("null", "[]"):
        facts.append(f"default {setting.default}")
    if setting.example:
        facts.append(f"e.g. {setting.example}")
    return _row(setting.key, [setting.meaning, f"[{'; '.join(facts)}]" if facts else ""], width)


def _group_lines(group: str, default: str | None, width: int) -> list[str]:
    title = f"{group}=NAME" + (f", default {default}" if default else ", required")
    lines = [title]
    for name, meaning in read_choices(group).items():
        lines += _row(name, [meaning], width)
    return [*lines, ""]


def _row(name: str, texts: list[str], width: int) -> list[str]:
    """A name and its description in two columns."""
    room = width - _KEY_WIDTH - 2
    text = " ".join(filter(None, texts))
    together = textwrap.wrap(text, room, break_on_hyphens=False)
    apart = [line for part in texts for line in textwrap.wrap(part, room, break_on_hyphens=False)]
    right = (together if len(together) < len(apart) else apart) or [""]
    lines = [f"  {name:{_KEY_WIDTH}}{right[0]}".rstrip()]
    if len(name) >= _KEY_WIDTH:
        lines = [f"  {name}", *([" " * (_KEY_WIDTH + 2) + right[0]] if right[0] else [])]
    return lines + [" " * (_KEY_WIDTH + 2) + line for line in right[1:]]
