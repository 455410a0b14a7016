"""A call for each line of a CSV file: on this machine, or on the cluster at an address.

    python examples/parameter_sweep.py [HOST:PORT] [FILE.csv] >results.csv

The function is in a module beside this one, so it travels by its name: a cluster's workers have
that module, and are started with `--path examples --allow ballistics`. A line that goes wrong is
told of, and the others are done.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from ballistics import fly

from headrace import Executor

#: The parameters when no file is given.
PARAMETERS = Path(__file__).with_name("parameters.csv")


def main() -> int:
    words = sys.argv[1:]
    file = Path(words.pop()) if words and words[-1].endswith(".csv") else PARAMETERS
    with file.open(newline="") as lines:
        flights = [
            {name: float(text) for name, text in row.items()} for row in csv.DictReader(lines)
        ]
    results = csv.writer(sys.stdout, lineterminator="\n")
    results.writerow([*flights[0], "metres"])
    wrong = 0
    with Executor(words[0] if words else None) as executor:
        futures = [executor.submit(fly, **flight) for flight in flights]
        for flight, future in zip(flights, futures, strict=True):
            try:
                results.writerow([*flight.values(), round(future.result(), 1)])
            except ValueError as error:
                wrong += 1
                print(f"{flight}: {error}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
