"""A document shows files as they are: exit status 1 when it does not.

usage: shows_file.py DOCUMENT FILE...
"""
import pathlib
import sys

document = pathlib.Path(sys.argv[1]).read_text()
for name in sys.argv[2:]:
    path = pathlib.Path(name)
    if f"```{path.suffix[1:]}\n{path.read_text()}```" not in document:
        sys.exit(f"{sys.argv[1]} does not show {name} as it is")
