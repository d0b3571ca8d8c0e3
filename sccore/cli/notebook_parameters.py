"""The parameters of a notebook: what its cell tagged `parameters` declares, and a check of what a user gives.

papermill itself accepts any name and any type in silence; a misspelt `-p lambda 0.1` would train with the default.
Nothing here needs torch.
"""

import ast
from difflib import get_close_matches

from sccore.utils.errors import InputError


def declared(notebook) -> dict:
    """name -> default, of the cell tagged `parameters`: lines `name = literal  # comment`; {} without such a cell."""
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            return {
                line.targets[0].id: ast.literal_eval(line.value) for line in ast.parse(cell.source).body if isinstance(line, ast.Assign)
            }
    return {}


def check(given: dict, defaults: dict) -> None:
    """Raise `InputError` that names the first parameter in `given` that is unknown or not of its default's type.

    An int may stand for a float; a bool may not stand for a number, nor the text "true" for True.
    """
    for name, value in given.items():
        if name not in defaults:
            near = get_close_matches(name, defaults, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(f"unknown parameter {name!r}: {hint}the parameters are {', '.join(defaults)}")
        wanted = type(defaults[name])
        if type(value) is wanted or (wanted is float and type(value) is int):
            continue
        message = f"parameter {name!r} must be {wanted.__name__}, not {value!r} ({type(value).__name__})"
        if wanted is bool:
            message += "; write True or False"
        elif wanted is str:
            message += f"; text that looks like something else is given with -r {name} TEXT"
        raise InputError(message)
