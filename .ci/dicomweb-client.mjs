// Drives a DICOMweb service by the npm package dicomweb-client, which OHIF uses:
//   node dicomweb-client.mjs URL FILE...
// Packages are looked for in the working directory. Exits with 1 if anything is
// not as it should be.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(process.cwd() + '/');
globalThis.XMLHttpRequest = require('xhr2');
const { api } = require('dicomweb-client');

const [url, ...files] = process.argv.slice(2);
const client = new api.DICOMwebClient({ url, verbose: false });
const of = (o, tag) => o[tag]?.Value?.[0];
let checks = 0;
const check = (what, ok, got) => {
  checks++;
  if (ok) return;
  console.error(`${what}: got ${got}`);
  process.exitCode = 1;
};
const size = b => b instanceof ArrayBuffer ? b.byteLength : -1;
const head = (b, from, to) => Buffer.from(b).subarray(from, to).toString('latin1');
const exact = b => b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength);

const stored = JSON.parse(await client.storeInstances({ datasets: files.map(f => exact(readFileSync(f))) }));
check('stored', stored['00081199'].Value.length === files.length, JSON.stringify(stored['00081198'] ?? stored['0008119A']));
const nobody = await client.searchForStudies({ queryParams: { PatientID: 'nobody' } });
check('studies of nobody', nobody.length === 0, nobody.length);
const studies = await client.searchForStudies({ queryParams: { limit: 101, offset: 0, fuzzymatching: false, includefield: '00081030,00080060' } });
check('studies', studies.length > 0, studies.length);

for (const study of studies) {
  const studyInstanceUID = of(study, '0020000D');
  const series = await client.searchForSeries({ studyInstanceUID });
  check('series', series.length === of(study, '00201206'), series.length);
  const metadata = await client.retrieveStudyMetadata({ studyInstanceUID });
  check('metadata of a study', metadata.length === of(study, '00201208'), metadata.length);
  const whole = await client.retrieveStudy({ studyInstanceUID });
  check('a study', whole.length === metadata.length && whole.every(b => head(b, 128, 132) === 'DICM'), whole.map(size));
  for (const one of series) await checkSeries({ studyInstanceUID, seriesInstanceUID: of(one, '0020000E') }, one);
}
console.log(`${checks} checks of ${studies.length} studies`);

async function checkSeries(at, series) {
  const instances = await client.searchForInstances(at);
  check('instances', instances.length === of(series, '00201209'), instances.length);
  const metadata = await client.retrieveSeriesMetadata(at);
  check('metadata of a series', metadata.length === instances.length, metadata.length);
  const whole = await client.retrieveSeries(at);
  check('a series', whole.length === instances.length, whole.map(size));
  for (const m of metadata) await checkInstance({ ...at, sopInstanceUID: of(m, '00080018') }, m);
}

async function checkInstance(at, found) {
  const [m] = [await client.retrieveInstanceMetadata(at)].flat();
  check('metadata', JSON.stringify(m) === JSON.stringify(found), of(m, '00080018'));
  const file = await client.retrieveInstance(at);
  check('an instance', head(file, 128, 132) === 'DICM', size(file));
  const frames = of(m, '00280008') ?? 1;
  let cells = of(m, '00280010') * of(m, '00280011') * of(m, '00280002') * of(m, '00280100') / 8;
  if (of(m, '00280004') === 'YBR_FULL_422') cells *= 2 / 3; // chroma is shared, unless it is decompressed
  const numbers = [...new Set([1, frames])];
  const raw = await client.retrieveInstanceFrames({ ...at, frameNumbers: numbers });
  check('frames', raw.length === numbers.length && raw.every(b => size(b) >= Math.floor(cells)), `${raw.map(size)} of ${cells}`);
  const kept = await client.retrieveInstanceFrames({ ...at, frameNumbers: [1], mediaTypes: [{ mediaType: 'application/octet-stream', transferSyntaxUID: '*' }] });
  check('a frame as it is kept', size(kept[0]) > 0, size(kept[0]));
  for (const [mediaType, begin] of [['image/jpeg', '\xff\xd8'], ['image/png', '\x89PNG']]) {
    const [picture] = [await client.retrieveInstanceRendered({ ...at, mediaTypes: [{ mediaType }] })].flat();
    check(`rendered as ${mediaType}`, head(picture, 0, begin.length) === begin, size(picture));
  }
  const [small] = [await client.retrieveInstanceFramesRendered({
    ...at, frameNumbers: [frames], mediaTypes: [{ mediaType: 'image/png' }], queryParams: { viewport: '32,32' },
  })].flat();
  check('a frame rendered', head(small, 1, 4) === 'PNG', size(small));
  const bulk = await client.retrieveBulkData({ BulkDataURI: m['7FE00010'].BulkDataURI });
  check('pixels as bulk data', bulk.length === frames, bulk.length);
}
