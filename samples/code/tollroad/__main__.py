"""`python -m tollroad journeys.csv`: prints what each plate owes."""

import csv
import sys
from datetime import datetime

from tollroad.fees import Journey, charge


def read_journeys(path: str) -> list[Journey]:
    """The journeys of a file with the columns plate, vehicle, entry, exit, entered (ISO 8601)."""
    with open(path, newline="", encoding="utf-8") as file:
        return [
            Journey(row["plate"], row["vehicle"], row["entry"], row["exit"], datetime.fromisoformat(row["entered"]))
            for row in csv.DictReader(file)
        ]


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("Usage: python -m tollroad journeys.csv")
    for plate, cents in sorted(charge(read_journeys(sys.argv[1])).items()):
        print(f"{plate}\t{cents / 100:.2f}")


if __name__ == "__main__":
    main()
