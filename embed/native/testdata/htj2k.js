// Codes raw little-endian samples as HTJ2K without loss, for native.py:
//   node htj2k.js WIDTH HEIGHT COMPONENTS BITS SIGNED LEVELS IN OUT
const fs = require("fs");
const [width, height, componentCount, bitsPerSample, signed, levels] = process.argv.slice(2, 8).map(Number);
const [from, to] = process.argv.slice(8);

require("@cornerstonejs/codec-openjph")().then((openjph) => {
  const encoder = new openjph.HTJ2KEncoder();
  const frame = { width, height, bitsPerSample, componentCount, isSigned: signed === 1, isUsingColorTransform: componentCount === 3 };
  encoder.getDecodedBuffer(frame).set(fs.readFileSync(from));
  encoder.setDecompositions(levels);
  encoder.setQuality(true, 0);
  encoder.encode();
  fs.writeFileSync(to, encoder.getEncodedBuffer());
});
