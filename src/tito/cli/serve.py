"""The command that serves models over HTTP."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tito.cli.common import Reference, app, fail, workspace
from tito.history.milestones import lacking


@app.command()
def serve(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Of registered models.")] = None,
    model: Annotated[list[Path] | None, typer.Option(help="A file of weights; may be given several times.")] = None,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 is all of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8000,
    train: Annotated[bool, typer.Option("--train", help="Train what is not registered yet, first.")] = False,
    registry: Annotated[Path | None, typer.Option(help="Its folder; registry in your work, if not given.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Compute so many requests together; 1 is each alone.")] = 32,
    reference: Reference = False,
) -> None:
    """Serve models over HTTP, with a page to try them.

    They run on your chapters that have all their points; everything else is the reference's. Names are of the
    registry; with none, all that have a live version. The course trains digits and digits-cnn.

    \b
      tito serve digits --train        train the small network first, if there is none, and serve it
      tito serve                       all live models of the registry
      tito serve --model work/milestones/2017_gpt.models/modern.safetensors
      tito serve digits --port 0       on any free port
    """
    from tito.serving import start
    from tito.serving.live import Batching
    from tito.serving.server import Plan
    from tito.serving.training import COURSES

    here = workspace()
    folder = registry or here.folder / "registry"
    wanted = tuple(names or ())
    untrained = [name for name in wanted if name in COURSES and not (folder / "registry.db").is_file()]
    if untrained and not train and sys.stdin.isatty():
        train = typer.confirm(f"Nothing is registered yet. Train {untrained[0]} now, {COURSES[untrained[0]].seconds}?")
    files = tuple(str(path) for path in model or ())
    for path in model or ():
        if not path.is_file():
            fail(f"there is no file {path}")
    done = [] if reference else [chapter.name for chapter in here.begun() if not lacking(here, [chapter.name])]
    batching = Batching(batch, Batching.wait if batch > 1 else 0.0, texts=min(batch, Batching.texts))
    code = f"On your own {', '.join(done)}; the rest is given." if done else "On the reference."
    plan = Plan(str(folder), wanted, files, host, port, train, code, batching=batching)
    raise typer.Exit(start.serve(here, plan, done))
