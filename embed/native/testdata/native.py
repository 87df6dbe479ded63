"""Writes native.json, the oracle of the tests: digests of samples, as 16-bit
little endian and interleaved, of the JPEG-LS and JPEG 2000 files of the test
data, and small images of the forms that those lack. Run it in this folder:

    npm install @cornerstonejs/codec-openjph@2.4.11
    NEARCASE_TESTDATA=... python3 native.py

with gdcmconv, dcmdjpls, dcmcjpls, opj_compress and opj_decompress on the path.
The committed file came from GDCM 3.0.21, DCMTK 3.6.7, OpenJPEG 2.5.0 and pydicom
2.3.1. Where two of them decode a file, they decoded it alike. Small images that
are coded without loss have the digest of their original."""

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
folder = tempfile.mkdtemp()
jls = ["1.2.840.10008.1.2.4." + s for s in ("80", "81")]
j2k = ["1.2.840.10008.1.2.4." + s for s in ("90", "91", "201", "202", "203")]


def temporary(name):
    path = os.path.join(folder, name)
    if os.path.exists(path):
        os.remove(path)
    return path


def digest(values):
    return hashlib.sha256(np.asarray(values).astype("<i4").astype("<u2").tobytes()).hexdigest()


def samples(path):
    """The samples of each frame of a file that is not compressed."""
    data = pydicom.dcmread(path)
    size = data.Rows * data.Columns * data.SamplesPerPixel
    pixels = np.frombuffer(data.PixelData, "u1" if data.BitsAllocated == 8 else "<u2")
    frames = [pixels[i:i + size] for i in range(0, size * int(data.get("NumberOfFrames", 1) or 1), size)]
    if data.get("PlanarConfiguration", 0) == 1:
        frames = [f.reshape(3, -1).T.ravel() for f in frames]
    return [digest(f) for f in frames]


def streams(path):
    data = pydicom.dcmread(path)
    return list(generate_pixel_data_frame(data.PixelData, int(data.get("NumberOfFrames", 1) or 1)))


def opened(stream, components):
    """What opj_decompress makes of a stream, None if it refuses."""
    kind = "jp2" if stream.startswith(b"\0\0\0\x0c") else "j2k"
    coded, raw = temporary("coded." + kind), temporary("raw.rawl")
    with open(coded, "wb") as out:
        out.write(stream)
    subprocess.run(["opj_decompress", "-i", coded, "-o", raw], capture_output=True, check=False)
    if not os.path.exists(raw):
        return None
    size = stream.find(b"\xff\x51")
    depth = stream[size + 40]
    wide, bits = depth & 0x7f > 7, (depth & 0x7f) + 1
    planes = np.fromfile(raw, "<u2" if wide else "u1").reshape(components, -1).astype(int)
    if depth & 0x80:
        planes = planes - (planes >> bits - 1 & 1) * (1 << bits)
    return digest(planes.T.ravel())


def decoded(path):
    """What the decoders agree on, None where none decodes it."""
    found = []
    for command in (["gdcmconv", "-w"], ["dcmdjpls"]):
        out = temporary("raw.dcm")
        subprocess.run([*command, path, out], capture_output=True, check=False)
        if os.path.exists(out):
            found.append(samples(out))
    data = pydicom.dcmread(path)
    if data.file_meta.TransferSyntaxUID in j2k:
        all = [opened(s, data.SamplesPerPixel) for s in streams(path)]
        if None not in all:
            found.append(all)
    assert all_equal(found), (path, found)
    return found[0] if found else None


def all_equal(found):
    return all(f == found[0] for f in found)


files = []
for path in sorted(glob.glob(os.path.join(root, "**", "*.dcm"), recursive=True)):
    try:
        data = pydicom.dcmread(path)
        syntax = data.file_meta.TransferSyntaxUID
    except Exception:
        continue
    if syntax in jls + j2k and "PixelData" in data:
        files.append({"name": os.path.relpath(path, root), "format": "JPEG-LS" if syntax in jls else "JPEG 2000",
                      "frames": decoded(path)})


def picture(bits, components=1, width=41, height=35, signed=False):
    """Slopes, edges and some noise, over the whole range."""
    y, x, c = np.mgrid[0:height, 0:width, 0:components]
    noise = np.random.default_rng(bits).integers(0, max(1 << (bits - 4), 1), y.shape)
    values = (x * (y + 3 * c) * (1 << bits) // (width * height * 2) + noise + (x > y) * (1 << bits - 2)) % (1 << bits)
    return values - (1 << bits - 1) * signed


def small(name, form, stream, components, bits, signed, want):
    return {"name": name, "format": form, "data": base64.b64encode(stream).decode(), "components": components,
            "precision": bits, "signed": signed, "sha256": want}


def raw(values, bits):
    path = temporary("in.rawl")
    with open(path, "wb") as out:
        out.write(values.astype("i4").astype("u1" if bits <= 8 else "<u2").tobytes())
    return path


def jpeg2000(bits, components, signed, options, kind="j2k", lossless=True):
    values = picture(bits, components, signed=signed)
    out = temporary("out." + kind)
    planes = np.moveaxis(values, 2, 0)
    form = f"{values.shape[1]},{values.shape[0]},{components},{bits},{'s' if signed else 'u'}"
    subprocess.run(["opj_compress", "-i", raw(planes, bits), "-F", form, "-o", out, *options],
                   check=True, capture_output=True)
    with open(out, "rb") as f:
        stream = f.read()
    found = opened(stream, components)
    assert not lossless or found == digest(values.ravel()), options
    name = f"{components} of {bits} bits{' signed' if signed else ''} {' '.join(options)} {kind}"
    return small(name, "JPEG 2000", stream, components, bits, signed, found)


def htj2k(bits, components, signed, levels):
    values = picture(bits, components, signed=signed)
    out = temporary("out.jhc")
    subprocess.run(["node", "htj2k.js", str(values.shape[1]), str(values.shape[0]), str(components), str(bits),
                    str(int(signed)), str(levels), raw(values, bits), out], check=True)
    with open(out, "rb") as f:
        stream = f.read()
    return small(f"HT {components} of {bits} bits{' signed' if signed else ''}, {levels} levels", "JPEG 2000",
                 stream, components, bits, signed, digest(values.ravel()))


def jpegls(bits, components, options):
    values = picture(bits, components)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    data = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = values.shape[:2]
    data.SamplesPerPixel, data.PhotometricInterpretation = components, "RGB" if components == 3 else "MONOCHROME2"
    if components == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8 if bits <= 8 else 16, bits, bits - 1
    data.PixelRepresentation = 0
    data.PixelData = values.astype("u1" if bits <= 8 else "<u2").tobytes() + bytes(values.size % 2)
    data.is_little_endian, data.is_implicit_VR = True, False
    plain, coded = temporary("plain.dcm"), temporary("coded.dcm")
    data.save_as(plain, write_like_original=False)
    subprocess.run(["dcmcjpls", *options, plain, coded], check=True, capture_output=True)
    found = decoded(coded)[0]
    assert "+en" in options or found == digest(values.ravel()), options
    stream = streams(coded)[0]
    coded_bits = stream[stream.find(b"\xff\xf7") + 4]  # not always the bits stored
    return small(f"{components} of {bits} bits {' '.join(options)}", "JPEG-LS", stream, components, coded_bits, False, found)


images = [jpegls(8, 1, []), jpegls(12, 1, []), jpegls(16, 1, []), jpegls(10, 1, ["+en", "+md", "3"])]
for mode in ("+in", "+il", "+is"):
    images += [jpegls(8, 3, [mode]), jpegls(8, 3, ["+en", "+md", "2", mode])]
for signed in (False, True):
    images += [jpeg2000(bits, 1, signed, []) for bits in (8, 12, 16)]
    # The encoder takes signed samples of 8 bits for unsigned.
    images += [htj2k(bits, 1, signed, 3) for bits in ((12, 16) if signed else (8, 12, 16))]
images += [
    jpeg2000(8, 3, False, []),
    jpeg2000(8, 3, False, [], "jp2"),
    jpeg2000(8, 3, False, ["-mct", "0"]),
    jpeg2000(8, 3, False, ["-t", "16,16", "-n", "2"]),
    jpeg2000(12, 1, False, ["-d", "5,3", "-T", "2,1", "-t", "20,20", "-n", "2"]),
    jpeg2000(12, 1, False, ["-c", "[32,32],[16,16]", "-b", "8,8", "-p", "RPCL"]),
    jpeg2000(16, 1, True, ["-r", "8,4,1", "-p", "LRCP"]),
    jpeg2000(8, 3, False, ["-r", "10,5,1", "-p", "PCRL", "-SOP", "-EPH"]),
    jpeg2000(8, 3, False, ["-I", "-r", "10"], lossless=False),
    jpeg2000(12, 1, False, ["-I", "-r", "6"], lossless=False),
    jpeg2000(8, 1, False, ["-n", "1"]),
    jpeg2000(8, 4, False, []),
    htj2k(8, 3, False, 5),
    htj2k(12, 1, False, 0),
]

with open("native.json", "w") as out:
    json.dump({"files": files, "images": images}, out, indent=1)
    out.write("\n")
