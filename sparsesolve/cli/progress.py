"""A progress bar where rich is installed, and log lines where it is not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger("sparsesolve")


@contextmanager
def progress_bar(n_steps: int) -> Iterator[Callable[..., None]]:
    """Show the progress of a number of steps.

    Parameters
    ----------
    n_steps : int

    Yields
    ------
    callable
        ``report(text, done=0)`` shows what is being done, and adds to the number of steps done.
    """
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )
    except ImportError:
        logger.setLevel(logging.INFO)
        yield lambda text, done=0: logger.info("%s", text)
        return
    columns = [SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    # On standard error: what a command prints can then be piped.
    with Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=n_steps)
        yield lambda text, done=0: bar.update(task, description=text, advance=done)
