"""Writes dicom.json, the oracle of DecodeSamples: digests of the samples, as
16-bit little endian and interleaved, of the JPEG files of the test data, and
small images of the processes that those lack. Run it in this folder:

    NEARCASE_TESTDATA=... python3 dicom.py

with gdcmconv, dcmdjpeg and dcmcjpeg on the path. The committed file came from
GDCM 3.0.21, DCMTK 3.6.7 and pydicom 2.3.1; where both decode a file, both
decoded it alike, without conversion of colour."""

import base64
import glob
import hashlib
import json
import os
import subprocess
import tempfile
import warnings

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import generate_pixel_data_frame

warnings.simplefilter("ignore")
root = os.path.join(os.environ["NEARCASE_TESTDATA"], "dicom")
syntaxes = ["1.2.840.10008.1.2.4." + s for s in ("50", "51", "55", "57", "70")]
folder = tempfile.mkdtemp()


def samples(path):
    """The decoded samples of each frame."""
    data = pydicom.dcmread(path)
    size = data.Rows * data.Columns * data.SamplesPerPixel
    pixels = np.frombuffer(data.PixelData, "u1" if data.BitsAllocated == 8 else "<u2").astype("<u2")
    frames = [pixels[i:i + size] for i in range(0, size * int(data.get("NumberOfFrames", 1) or 1), size)]
    if data.get("PlanarConfiguration", 0) == 1:
        frames = [f.reshape(3, -1).T.ravel() for f in frames]
    return frames


def decoded(path):
    """What the decoders agree on."""
    found = []
    for command in (["gdcmconv", "-w"], ["dcmdjpeg", "+cn"]):
        out = os.path.join(folder, "raw.dcm")
        subprocess.run([*command, path, out], capture_output=True, check=False)
        if os.path.exists(out):
            found.append(samples(out))
            os.remove(out)
    assert found and all(np.array_equal(found[0], other) for other in found), path
    return [hashlib.sha256(f.tobytes()).hexdigest() for f in found[0]]


def frames(path):
    data = pydicom.dcmread(path)
    return list(generate_pixel_data_frame(data.PixelData, int(data.get("NumberOfFrames", 1) or 1)))


files = []
for path in sorted(glob.glob(os.path.join(root, "**", "*.dcm"), recursive=True)):
    try:
        data = pydicom.dcmread(path)
    except Exception:
        continue
    if data.file_meta.get("TransferSyntaxUID") in syntaxes and "PixelData" in data:
        files.append({"name": os.path.relpath(path, root), "frames": decoded(path)})


def picture(bits, width=23, height=17):
    """Slopes, an edge and some noise, over the whole range."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(bits).integers(0, 1 << (bits - 3), (height, width))
    return ((x * y * (1 << bits) // (width * height * 2) + noise + (x > y) * (1 << bits - 2)) % (1 << bits)).astype("<u2")


def small(bits, options):
    pixels = picture(bits)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    data = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, bits, bits - 1, 0
    data.PixelData = pixels.tobytes()
    data.is_little_endian, data.is_implicit_VR = True, False
    plain, coded = os.path.join(folder, "plain.dcm"), os.path.join(folder, "coded.dcm")
    data.save_as(plain, write_like_original=False)
    subprocess.run(["dcmcjpeg", *options, plain, coded], check=True, capture_output=True)
    return {"name": f"{bits} bits {' '.join(options)}", "data": base64.b64encode(frames(coded)[0]).decode(),
            "sha256": decoded(coded)[0]}


images = [small(12, ["+ep", "+q", "90"]), small(12, ["+ee", "+q", "75"]), small(12, ["+ee", "+q", "100"])]
for bits in (9, 12, 16):
    for predictor in range(1, 8):
        images.append(small(bits, ["+el", "+sv", str(predictor)]))
    images.append(small(bits, ["+el", "+sv", "4", "+pt", "3"]))

with open("dicom.json", "w") as out:
    json.dump({"files": files, "images": images}, out, indent=1)
    out.write("\n")
