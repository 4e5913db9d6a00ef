"""Reads what callgrind writes: instructions by function, and how often functions were called."""

import re
from collections import Counter

NAME = re.compile(r"^(c?fn)=\((\d+)\)(?: (.*))?$")
# Hash and monomorphisation suffixes say nothing to a reader.
NOISE = re.compile(r"::h[0-9a-f]{16}$|'\d+$")


class Profile:
    """Instructions spent in each function itself, calls of each, and where the calls came from."""

    def __init__(self, path):
        self.own, self.calls, self.callers = Counter(), Counter(), Counter()
        names, function, callee, is_call = {}, None, None, False
        with open(path) as file:
            for line in file:
                first = line[:1]
                if first.isdigit() or first in "+-*":
                    if not is_call:
                        self.own[function] += int(line.split()[1])
                    is_call = False
                elif line.startswith("calls="):
                    count = int(line[6:].split()[0])
                    self.calls[callee] += count
                    self.callers[callee, function] += count
                    is_call = True
                elif found := NAME.match(line):
                    kind, number, name = found.groups()
                    if name is not None:
                        names[number] = NOISE.sub("", name)
                    if kind == "fn":
                        function = names[number]
                    else:
                        callee = names[number]

    @property
    def total(self):
        return sum(self.own.values())

    def called(self, names):
        """Calls of any of these functions."""
        return sum(count for name, count in self.calls.items() if name in names)
