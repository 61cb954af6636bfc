"""The debugger's child: makes the failing call again under pdb, in the composed tree, at the student's first statement.

    python -I -S -B debugger.py SITE TREE

The job folder holds plan.bin: module, file and line to stop at, the probe if the call goes through one, the request.
"""

import os
import pdb
import sys
from typing import Any


def main() -> None:
    site, tree = sys.argv[1:3]
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:0] = [here, site]
    import wire  # type: ignore[import-not-found]  # both copied beside this file
    import worker  # type: ignore[import-not-found]

    sys.path[:2] = [tree]
    with open(os.path.join(here, "plan.bin"), "rb") as file:
        plan = wire.unpack(*(wire.read(file) or (b"{}", b"")))
    shop = worker.Shop(tree)
    shop.do_load({"module": plan["module"], "names": []})
    if plan["probe"]:
        shop.do_probe({"name": plan["request"]["name"], "source": plan["probe"]})
    debugger = pdb.Pdb(nosigint=True)
    debugger.rcLines = [f"tbreak {shop.module.__file__}:{plan['line']}", "continue"]
    make = examples if plan["request"]["do"] == "examples" else worker.Shop.do_call
    answer: Any = debugger.runcall(make, shop, plan["request"])
    print(f"\nthe answer: {answer}\nexpected:   {plan['expected']}")


def examples(shop: Any, request: dict[str, Any]) -> str:
    """Run the examples with their output left where pdb can use it."""
    import numpy as np

    space = {"np": np, "tt": shop.tt, **vars(shop.module)}
    for source, mode in request["examples"]:
        exec(compile(source, "<example>", "single" if mode == "eval" else mode), space)
    return "above"


if __name__ == "__main__":
    main()
