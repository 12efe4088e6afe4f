"""A measurement for tests: says what it is told to say, holds memory, prints noise, fails."""

from __future__ import annotations

import os

from bench.process import Figures, Request, answer


def measure(request: Request) -> Figures:
    print("noise")
    os.write(1, b"noise from a library\n")
    if request.get("fail"):
        raise ValueError("no such engine")
    held = bytearray(b"x") * (request.get("hold_mb", 0) << 20)
    return {"held": float(len(held)), "seen": float(request.get("variable", "PATH") in os.environ)}


if __name__ == "__main__":
    answer(measure)
