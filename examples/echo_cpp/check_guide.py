"""The guide shows the example as it is: exit status 1 when it does not.

usage: check_guide.py GUIDE EXAMPLE
"""
import pathlib
import sys

guide, example = (pathlib.Path(argument).read_text() for argument in sys.argv[1:3])
if f"```cpp\n{example}```" not in guide:
    sys.exit(f"{sys.argv[1]} does not show {sys.argv[2]} as it is")
