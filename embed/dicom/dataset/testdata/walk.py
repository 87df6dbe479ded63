"""Writes walk.json: what pydicom reads of every DICOM test file.

    NEARCASE_TESTDATA=... python3 testdata/walk.py > testdata/walk.json

run in embed/dicom/dataset with pydicom 2.3.1. A file's entry is the transfer
syntax, the number of elements with those of items, and the SHA-256 of a walk:
for each element in tag order a line and its raw value, for sequences a line and
the walk of each item. Group lengths and data set padding are left out. Implicit
elements are sequences if dictionary.go says so or their length is undefined. A
file that pydicom refuses has its exception's name instead. Texts are the values
of patient's name as UTF-8.
"""
import hashlib
import json
import os
import re
import sys
import warnings

import pydicom
from pydicom.dataelem import RawDataElement

warnings.simplefilter("ignore")
known = set(int(t, 16) for t in re.findall(r"\{0x([0-9A-F]{8}), \"SQ\"", open("dictionary.go").read()))


def fragments(value, order):
    at = 0
    while at < len(value):
        n = int.from_bytes(value[at + 4:at + 8], order)
        yield value[at + 8:at + 8 + n]
        at += 8 + n


def written(element, order):
    """The bytes of an element that pydicom has converted."""
    value = element.value
    if value is None:
        return b""
    if isinstance(value, int):
        return value.to_bytes({"UL": 4, "US": 2}[element.VR], order)
    text = value if isinstance(value, str) else "\\".join(value)
    return (text + " " * (len(text) % 2)).encode()


def walk(ds, order, depth, out):
    n = 0
    for tag in sorted(ds.keys()):
        if tag.element == 0 or tag == 0xFFFCFFFC:
            continue
        n += 1
        e = ds.get_item(tag)
        raw = isinstance(e, RawDataElement)
        sequence = not raw and e.VR == "SQ" or raw and (e.VR == "SQ" or e.VR in (None, "UN") and int(tag) in known)
        head = "%d %08X " % (depth, tag)
        if sequence:
            items = ds[tag].value
            out.update((head + "s %d\n" % len(items)).encode())
            for item in items:
                n += walk(item, order, depth + 1, out)
        elif raw and e.length == 0xFFFFFFFF:
            parts = list(fragments(e.value, order))
            out.update((head + "f %d\n" % len(parts)).encode())
            for p in parts:
                out.update(("%d\n" % len(p)).encode())
                out.update(p)
        else:
            value = (e.value or b"") if raw else written(e, order)
            out.update((head + "v %d\n" % len(value)).encode())
            out.update(value)
    return n


def entry(path):
    try:
        ds = pydicom.dcmread(path, force=True)
        out = hashlib.sha256()
        n = walk(ds, "little" if ds.is_little_endian else "big", 0, out)
        name = ds.get("PatientName")
        return {"syntax": str(ds.file_meta.get("TransferSyntaxUID", "")), "elements": n,
                "sha256": out.hexdigest(), "name": str(name or "").rstrip("=")}
    except Exception as e:
        return {"error": type(e).__name__ + ": " + str(e)[:100]}


root = os.path.join(os.environ["NEARCASE_TESTDATA"], "dicom")
files = {}
for folder, _, names in os.walk(root):
    for name in names:
        path = os.path.join(folder, name)
        files[os.path.relpath(path, root)] = entry(path)
json.dump(dict(sorted(files.items())), sys.stdout, indent=0, ensure_ascii=False)
