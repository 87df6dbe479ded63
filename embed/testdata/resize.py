"""Times Pillow's resize, or compares such times with those of BenchmarkResize;
.ci/bench-resize runs both. Needs Debian's python3-pil."""

import random
import statistics
import sys
import time
from collections import defaultdict

FILTERS = {"nearest": 0, "box": 4, "bilinear": 2, "bicubic": 3, "lanczos": 1}
SHAPES = [("L", 2048, 2500, 224, 273), ("RGB", 2048, 2500, 224, 273),
          ("RGB", 1024, 1024, 256, 256), ("RGB", 512, 512, 224, 224),
          ("L", 4000, 5000, 518, 647), ("RGB", 4000, 5000, 518, 647), ("RGB", 100, 100, 224, 224)]


def measure(seconds):
    """Prints the mean time of every resize as Go's benchmarks do."""
    from PIL import Image
    for mode, width, height, to_width, to_height in SHAPES:
        image = Image.frombytes(mode, (width, height), random.Random(1).randbytes(width * height * len(mode)))
        for name, method in FILTERS.items():
            image.resize((to_width, to_height), method)
            rounds, start, took = 0, time.perf_counter(), 0
            while took < seconds:
                image.resize((to_width, to_height), method)
                rounds, took = rounds + 1, time.perf_counter() - start
            print(f"Pillow/{mode}/{width}x{height}/{to_width}x{to_height}/{name} {rounds} {took / rounds * 1e9:.0f} ns/op")


def table(lines):
    """Prints medians and ratios of both as a Markdown table."""
    times = defaultdict(list)
    for line in lines:
        words = line.split()
        if len(words) >= 4 and words[3] == "ns/op":
            program, _, case = words[0].partition("/")
            times[program, case].append(float(words[2]) / 1e6)
    print("| picture | to | filter | Pillow, ms | nearcase, ms | ratio |\n|---|---|---|---:|---:|---:|")
    for (program, case), ours in times.items():
        if program == "BenchmarkResize":
            mode, size, target, name = case.split("/")
            pillow, ours = statistics.median(times["Pillow", case]), statistics.median(ours)
            kind = "grey" if mode == "L" else "RGB"
            print(f"| {kind} {size} | {target} | {name} | {pillow:.3f} | {ours:.3f} | {ours / pillow:.2f} |")


if sys.argv[1] == "table":
    table(sys.stdin)
else:
    measure(float(sys.argv[1]))
