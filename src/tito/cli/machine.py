"""Commands about this machine: whether the course can run here, and which data sets are here."""

from typing import Annotated

import typer
from rich.console import Console

from tinytorch.datasets import DataUnavailable, data_root
from tito.cli.common import app, fail, say, workspace
from tito.data import SETS, fetch, named, state
from tito.doctor import examine


@app.command()
def doctor() -> None:
    """Look at what the course needs here.

    Python, NumPy and its BLAS, the work folder, the isolation: each is tried, not looked up.
    """
    here = workspace()
    found = examine(here.course, here)
    for line in found:
        say(f"{line.name:10} {line.text}" + ("" if line.fine else f"\n{'':10} -> {line.fix}"))
    raise typer.Exit(0 if all(line.fine for line in found) else 1)


@app.command()
def data(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="digits, mnist, cifar10 or shakespeare.")] = None,
) -> None:
    """List the data sets, or fetch one.

    They are verified by checksum and kept in the folder TINYTORCH_DATA, else in your cache folder. A download that
    broke off goes on where it was.

    \b
      tito data          what there is, and what is here
      tito data mnist    fetch MNIST
    """
    folder = data_root()
    if name is None:
        for data_set in SETS:
            say(f"{data_set.name:12} {data_set.what:48} {state(data_set, folder)}")
        say(f"\nThey are kept in {folder}. Fetch one: tito data mnist")
        return
    data_set = named(name)
    try:
        fetch(data_set, folder, Console())
    except KeyboardInterrupt:
        say(f"Stopped. What has come so far is kept: tito data {data_set.name} goes on from there.")
        raise typer.Exit(130) from None
    except (DataUnavailable, ValueError) as error:
        fail(str(error))
    where = "is in the package" if not data_set.sources else f"is here, whole, in {folder}"
    say(f"{data_set.name} {where}: {data_set.what}.")
