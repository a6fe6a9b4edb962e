"""The command line: ``python -m sparsesolve tour | doctor | warmup``.

A command is a module with a docstring, ``add_arguments(parser)`` and ``run(arguments)``, which returns the exit status.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from . import doctor, tour, warmup

_COMMANDS = {"tour": tour, "doctor": doctor, "warmup": warmup}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process unless given.

    Returns
    -------
    int
        The exit status: 0 for success.
    """
    from .. import __version__

    parser = argparse.ArgumentParser(prog="python -m sparsesolve")
    parser.add_argument("--version", action="version", version=f"sparsesolve {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, module in _COMMANDS.items():
        summary = (module.__doc__ or "").partition("\n")[0]
        command = commands.add_parser(name, help=summary.rstrip("."), description=summary)
        module.add_arguments(command)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    return _COMMANDS[arguments.command].run(arguments)
