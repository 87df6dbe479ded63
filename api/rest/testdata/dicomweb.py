#!/usr/bin/python3
"""What pydicom and GDCM make of the DICOM files of the test data, as STOW-RS has it.

Made with Debian 12's python3-pydicom, python3-gdcm, python3-numpy and python3-pil:

    NEARCASE_TESTDATA=... /usr/bin/python3 api/rest/testdata/dicomweb.py > api/rest/testdata/dicomweb.json

Files are sent in the order of their names. For each there is a reason, 0 for stored:

    C000  cannot be read, or its pixels cannot
    A900  lacks a UID, or is of a class of images and has no pixels
    0122  is of another class
    0111  has the SOP Instance UID of a file stored before, and other bytes

and whether SOP class and instance are known ("named").
"""
import hashlib
import json
import os
import sys
import warnings

import pydicom

warnings.simplefilter("ignore")
root = os.path.join(os.environ["NEARCASE_TESTDATA"], "dicom")


def pixels(path):
    """Whether somebody can read all frames."""
    try:
        pydicom.dcmread(path).pixel_array
        return True
    except Exception:
        pass
    try:
        import gdcm

        r = gdcm.ImageReader()
        r.SetFileName(path)
        return bool(r.Read()) and bool(r.GetImage().GetBuffer())
    except Exception:
        return False


def uid(ds, name):
    v = str(ds.get(name, "") or "")
    return v if v and not v.strip("0123456789.") else ""


def opinion(path):
    try:
        ds = pydicom.dcmread(path)
        ds.walk(lambda d, e: None)
        json.dumps(str(ds))
    except Exception:
        return "C000", False, ""
    class_, instance = uid(ds, "SOPClassUID"), uid(ds, "SOPInstanceUID")
    study = uid(ds, "StudyInstanceUID")
    named = bool(class_ and instance)
    name = pydicom.uid.UID(class_).name if class_ else ""
    has = any(k in ds for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))
    if class_ and not has:
        return ("A900" if "Image Storage" in name else "0122"), named, instance
    if not (named and study and uid(ds, "SeriesInstanceUID")):
        return "A900", named, instance
    if not pixels(path):
        return "C000", named, instance
    return "0", named, instance


out, stored = {}, {}
names = sorted(
    os.path.relpath(os.path.join(d, f), root) for d, _, files in os.walk(root) for f in files
)
for name in names:
    path = os.path.join(root, name)
    digest = hashlib.sha256(open(path, "rb").read()).hexdigest()
    reason, named, instance = opinion(path)
    if reason == "0" and stored.setdefault(instance, digest) != digest:
        reason = "0111"
    out[name] = {"reason": reason, "named": named}
lines = [f"{json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in sorted(out.items())]
sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")
