"""Writes pillow.json: small JPEGs and what Pillow makes of them, as the oracle
of the tests. Run it in this folder, with cjpeg on the path; the committed file
came from Pillow 9.4.0 and cjpeg, both of libjpeg-turbo 2.1.5.

If NEARCASE_TESTDATA is set, it also prints the digests of the radiographs."""

import base64
import csv
import hashlib
import io
import itertools
import json
import os
import subprocess
import tempfile

from PIL import Image


def noise(width, height, seed):
    out = bytearray()
    for _ in range(3 * width * height):
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(seed >> 24)
    return Image.frombytes("RGB", (width, height), bytes(out))


def smooth(width, height):
    return noise(5, 4, 7).resize((width, height), Image.Resampling.BICUBIC)


cases = []


def add(name, data):
    image = Image.open(io.BytesIO(data))
    image.load()
    cases.append({"name": name, "data": base64.b64encode(data).decode(),
                  "sha256": hashlib.sha256(image.tobytes()).hexdigest()})


def pillow(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def cjpeg(image, *options, scans=""):
    with tempfile.NamedTemporaryFile("w") as script:
        script.write(scans)
        script.flush()
        extra = ["-scans", script.name] if scans else []
        source = io.BytesIO()
        image.save(source, "PPM")
        return subprocess.run(["cjpeg", *options, *extra], input=source.getvalue(),
                              capture_output=True, check=True).stdout


def without(data, marker):
    """The image less its segments of a marker."""
    at, out = 2, data[:2]
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2:at + 4], "big")
        if data[at + 1] != marker:
            out += data[at:end]
        at = end
    return out + data[at:]


def adobe(data, transform):
    return data[:2] + b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform]) + data[2:]


def renamed(data, ids):
    """The image with other component IDs."""
    out = bytearray(data)
    frame = next(i for i in range(len(data)) if data[i] == 0xFF and 0xC0 <= data[i + 1] <= 0xC2)
    scan = data.index(b"\xff\xda")
    for i, name in enumerate(ids):
        out[frame + 10 + 3 * i] = out[scan + 5 + 2 * i] = name
    return bytes(out)


SIZES = [(1, 1), (2, 2), (3, 3), (4, 5), (5, 4), (7, 9), (8, 8), (15, 17), (16, 16),
         (17, 15), (33, 17), (9, 33), (40, 3), (3, 40)]
SAMPLINGS = ["1x1", "2x1", "2x2", "1x2", "4x1", "4x2", "1x4", "2x4", "3x1", "1x3",
             "2x1,1x1,2x1", "2x2,1x2,2x1", "2x2,2x1,1x1", "2x2,1x1,1x2", "1x1,2x2,1x1", "2x2,2x2,1x1"]
MODES = [["-optimize"], ["-progressive"], ["-optimize", "-restart", "1B"], ["-progressive", "-restart", "2B"],
         ["-optimize", "-restart", "1"]]
QUALITIES = ["1", "5", "25", "50", "75", "90", "95", "100"]

sizes, qualities = itertools.cycle(SIZES), itertools.cycle(QUALITIES)
pictures = itertools.cycle([smooth, lambda w, h: noise(w, h, w * 1000 + h), smooth])


def sample(size, sampling, mode):
    quality = next(qualities)
    add(f"{size[0]}x{size[1]} {sampling} quality {quality} {' '.join(mode)}",
        cjpeg(next(pictures)(*size), "-quality", quality, "-sample", sampling, *mode))


for sampling in SAMPLINGS:
    for mode in MODES:
        sample(next(sizes), sampling, mode)
for size in SIZES:
    for sampling in ["2x1", "2x2", "1x2"]:
        sample(size, sampling, MODES[0])

rgb = smooth(33, 17)
for size in SIZES[1::3]:
    for options in [{}, {"progressive": True}]:
        add(f"grey {size} {options}", pillow(smooth(*size).convert("L"), optimize=True, **options))
        add(f"cmyk {size} {options}", pillow(smooth(*size).convert("CMYK"), optimize=True, **options))
plain = cjpeg(rgb, "-optimize", "-sample", "2x2")
full = cjpeg(rgb, "-optimize", "-sample", "1x1")
bare = without(full, 0xE0)
add("rgb by cjpeg", cjpeg(rgb, "-optimize", "-rgb"))
add("no marker", bare)
add("no marker, ids 0 1 2", renamed(bare, [0, 1, 2]))
add("no marker, ids R G B", renamed(bare, b"RGB"))
add("no marker, ids r g b", renamed(bare, b"rgb"))
add("jfif, ids R G B", renamed(full, b"RGB"))
for transform in [0, 1, 5]:
    add(f"adobe {transform}", adobe(bare, transform))
    add(f"adobe {transform}, ids R G B", adobe(renamed(bare, b"RGB"), transform))
    add(f"jfif and adobe {transform}", adobe(full, transform))
inks = pillow(rgb.convert("CMYK"), optimize=True, quality=90)
add("cmyk without adobe", without(inks, 0xEE))
for transform in [0, 1, 2]:
    add(f"ycck, adobe {transform}", adobe(without(inks, 0xEE), transform))
for scans in ["0;1;2;", "0;1,2;", "2;0,1;"]:
    add(f"scans {scans}", cjpeg(rgb, "-optimize", "-sample", "2x2", scans=scans))
    add(f"scans {scans} restarts", cjpeg(rgb, "-optimize", "-sample", "2x1", "-restart", "2B", scans=scans))
add("deep refinement", cjpeg(rgb, "-quality", "100", scans="0,1,2:0-0,0,3;0:1-9,0,2;1:1-63,0,1;2:1-63,0,0;0:10-63,0,3;"
    "0,1,2:0-0,3,2;0:1-9,2,1;0:10-63,3,2;0,1,2:0-0,2,1;0:1-9,1,0;0:10-63,2,1;1:1-63,1,0;0:10-63,1,0;0,1,2:0-0,1,0;"))
add("standard tables", pillow(rgb, quality=80))
add("grey noise", pillow(noise(64, 48, 1).convert("L"), quality=100))
add("colours at the limits", pillow(noise(4, 4, 5).resize((32, 32), Image.Resampling.NEAREST), quality=30))

with open("pillow.json", "w") as f:
    f.write("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")
print(len(cases), "cases,", os.path.getsize("pillow.json"), "bytes")


def radiographs(root, step):
    """The digest of the digests of every step-th radiograph's RGB pixels."""
    with open(os.path.join(root, "labels.csv")) as f:
        files = [row["file"] for row in csv.DictReader(f)][::step]
    whole = hashlib.sha256()
    for file in files:
        whole.update(hashlib.sha256(Image.open(os.path.join(root, file)).convert("RGB").tobytes()).digest())
    return len(files), whole.hexdigest()


if root := os.environ.get("NEARCASE_TESTDATA"):
    for step in [1, 40]:
        print(step, *radiographs(os.path.join(root, "cxr"), step))
