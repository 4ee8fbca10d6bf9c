"""Pictures of a report that are a file each: all that are in this folder, and those that are named.

Such a file has one function, sections(dataset), which gives a list of blocks.Section for a
results.Dataset, or an empty one where that lacks the data. They come after the report's own sections of that dataset, in the order of the files' names. Nothing
else needs to know of the file.
"""

import importlib
import importlib.util
import os

from ..command import refuse


def own():
    """The modules of this folder."""
    names = sorted(os.path.splitext(name)[0] for name in os.listdir(os.path.dirname(__file__))
                   if name.endswith(".py") and name != "__init__.py")
    return [importlib.import_module(f"{__name__}.{name}") for name in names]


def load(path):
    """The module that is in a file anywhere; it imports benchlib as the scripts do."""
    name = "picture_" + os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        refuse(f"--picture {path}: its name does not end with .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except OSError as error:
        refuse(f"--picture {path}: {error.strerror}")
    except Exception as error:  # whatever its code does
        refuse(f"--picture {path}: {type(error).__name__}: {error}".splitlines()[0])
    if not callable(getattr(module, "sections", None)):
        refuse(f"--picture {path}: it has no function sections(dataset)")
    return module
