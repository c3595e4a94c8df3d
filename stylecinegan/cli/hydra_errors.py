"""Messages for invalid settings, in place of Hydra's."""

import re

from stylecinegan.cli.arguments import setting_names, suggestion


def reword_error(error: Exception, config_name: str) -> str:
    """Rewords an error of Hydra for users of the command line, in one line.

    Args:
        error: The error of a composition.
        config_name: Name of the command's configuration in ``configs/``.
    """
    text = " ".join(str(error).split())
    unknown = re.match(r"Could not override '([^']+)'", text)
    if unknown:
        return f"no setting {unknown[1]}{suggestion(unknown[1], setting_names(config_name))}"
    ambiguous = re.match(r"Ambiguous value for argument '(.*?)=(.*)' 1\.", text)
    if ambiguous:
        key, value = ambiguous[1], ambiguous[2]
        return f'wanted one value, got {key}={value}; a list is written "{key}=[{value}]"'
    choice = re.search(r"Could not find '(\S+)' Available options in '(\S+)': ([^:]*) Config", text)
    if choice:
        path, group, options = choice.groups()
        return f"no {group}={path.removeprefix(group + '/')}; one of {', '.join(options.split())}"
    absent = re.match(r"You must specify '(\S+)', .* Available options: (.*)", text)
    if absent:
        return f"{absent[1]}= is needed; one of {', '.join(absent[2].split())}"
    parsed = re.match(
        r"(?:mismatched|no viable|token recognition|extraneous|missing) .*?"
        r"See https.*",
        text,
    )
    if parsed:
        return f"cannot read the value of a setting ({text.split(' See https')[0]}): quote it"
    return text
