"""descrambler completion: commands, options and files for the Tab key of a shell."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ._parser import add_command

if TYPE_CHECKING:
    from ._common import Commands

_SCRIPT = """\
# Completion of descrambler for {shell}; made by: descrambler completion {shell}
{prelude}_descrambler() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{commands} --help --version" -- "$word")); return
  fi
  case "${{COMP_WORDS[1]}} $before" in
{choices}
  esac
  case "$word" in
    -*) ;;
    *) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  case "${{COMP_WORDS[1]}}" in
{options}
  esac
}}
complete -o filenames -F _descrambler descrambler
"""


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands,
        "completion",
        "print a script that lets the shell complete commands and options",
        does="Print a script for bash or zsh, after which the Tab key completes commands, options, their "
        "choices, and files.",
        writes="nothing; the script is printed",
        takes="a second",
        example='eval "$(descrambler completion bash)"',
    )
    parser.add_argument("shell", choices=("bash", "zsh"))
    parser.set_defaults(action=lambda options: print(script(options.shell, commands), end=""))


def script(shell: str, commands: Commands) -> str:
    """Return the script for a shell."""
    prelude = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    options, choices = [], []
    for name, parser in commands.choices.items():
        flags = list(_flags(parser))
        words = " ".join(flag for flag, _ in flags)
        options.append(f'    {name}) COMPREPLY=($(compgen -W "{words}" -- "$word")) ;;')
        choices += [
            f'    "{name} {flag}") COMPREPLY=($(compgen -W "{" ".join(known)}" -- "$word")); return ;;'
            for flag, known in flags
            if known
        ]
    return _SCRIPT.format(
        shell=shell,
        prelude=prelude,
        commands=" ".join(commands.choices),
        options="\n".join(options),
        choices="\n".join(choices),
    )


def _flags(parser: argparse.ArgumentParser) -> Iterator[tuple[str, list[str]]]:
    """Options of a command, each with the values that it may have."""
    for action in parser._actions:
        for flag in action.option_strings:
            yield flag, [str(choice) for choice in action.choices or ()]
