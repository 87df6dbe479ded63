// The driver of usearch; see ../README.md for the protocol. The build puts it
// beside the package's folder node_modules.
//
// usearch's binding for JavaScript fixes ef when an index is made, so that the
// index is saved once and loaded for every ef. One thread is measured twice: a
// call for each query, and one call for all queries, which spares the
// binding's cost of a call. Several threads exist only within one call.
"use strict";
const fs = require("fs");
const path = require("path");
const { Index } = require("usearch");

const NONE = 0xffffffff;

function parse(argv) {
  const a = {
    vectors: "", queries: "", out: "", engine: "f32", dim: 0, k: 10, threads: 1,
    "search-threads": "1", m: 16, "ef-construction": 200, ef: "64", repetitions: 5,
  };
  for (let i = 0; i < argv.length; i += 2) {
    const name = argv[i].replace(/^--/, "");
    if (!(name in a) || i + 1 === argv.length) throw new Error(`argument ${argv[i]}`);
    a[name] = typeof a[name] === "number" ? Number(argv[i + 1]) : argv[i + 1];
  }
  const numbers = (text) => text.split(",").map(Number);
  return { ...a, ef: numbers(a.ef), searchThreads: numbers(a["search-threads"]) };
}

// The numbers of a file of float32; read in parts, since one read is at most 2 GiB.
function read(file) {
  const bytes = new Uint8Array(fs.statSync(file).size);
  const f = fs.openSync(file, "r");
  for (let at = 0; at < bytes.length; ) {
    at += fs.readSync(f, bytes, at, Math.min(1 << 28, bytes.length - at), at);
  }
  fs.closeSync(f);
  return new Float32Array(bytes.buffer);
}

// Resident bytes of the process after a garbage collection.
function memory() {
  global.gc();
  const status = fs.readFileSync("/proc/self/status", "utf8");
  const field = (name) => Number(status.match(new RegExp(`${name}:\\s+(\\d+) kB`))[1]) * 1024;
  return { anonymous: field("RssAnon"), file: field("RssFile") };
}

function print(object) {
  fs.writeSync(1, JSON.stringify(object) + "\n");
}

function seconds(work) {
  const began = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - began) / 1e9;
}

// The seconds of work, and which share of them each of so many threads had a
// processor.
function attended(threads, work) {
  const before = process.cpuUsage();
  const took = seconds(work);
  const { user, system } = process.cpuUsage(before);
  return { took, share: (user + system) / 1e6 / took / threads };
}

function quantile(values, q) {
  const sorted = Float64Array.from(values).sort();
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] : 0;
}

function create(a, ef) {
  return new Index({
    metric: "ip", quantization: a.engine, connectivity: a.m, dimensions: a.dim,
    expansion_add: a["ef-construction"], expansion_search: ef,
  });
}

// Builds the index and leaves it in a file.
function build(a, file) {
  const rows = read(a.vectors);
  const keys = BigUint64Array.from({ length: rows.length / a.dim }, (_, i) => BigInt(i));
  const index = create(a, a.ef[0] || 1);
  const before = memory();
  const { took, share } = attended(a.threads, () => index.add(keys, rows, a.threads));
  const after = memory();
  print({
    event: "build", threads: a.threads, vectors: keys.length, seconds: took, cpu: share,
    rss_bytes_before: before.anonymous, rss_bytes_after: after.anonymous,
    file_bytes_before: before.file, file_bytes_after: after.file,
  });
  index.save(file);
}

// One call for each query; returns the seconds of each.
function oneByOne(a, index, queries) {
  const took = [];
  for (let at = 0; at < queries.length; at += a.dim) {
    const query = queries.subarray(at, at + a.dim);
    took.push(seconds(() => index.search(query, a.k, 1)));
  }
  return took;
}

function idsOf(a, found, n) {
  const ids = new Uint32Array(n * a.k).fill(NONE);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < Number(found.counts[i]); j++) ids[i * a.k + j] = Number(found.keys[i * a.k + j]);
  }
  return ids;
}

// Measures one ef on so many threads, prints it and returns the ids found. One
// pass before the repetitions is not timed.
function measure(a, index, queries, threads, ef) {
  const n = queries.length / a.dim;
  const single = [], batch = [], latencies = [], shares = [];
  let found;
  for (let r = 0; r <= a.repetitions; r++) {
    const together = attended(threads, () => { found = index.search(queries, a.k, threads); });
    const each = [];
    const alone = threads > 1 ? 0 : seconds(() => each.push(...oneByOne(a, index, queries)));
    if (r === 0 && a.repetitions > 0) continue;
    batch.push(together.took);
    shares.push(together.share);
    single.push(alone);
    latencies.push(...each);
  }
  const alone = quantile(single, 0.5), together = quantile(batch, 0.5);
  print({
    event: "search", threads, ef, queries: n, seconds: together,
    qps_single: alone > 0 ? n / alone : 0, qps_batch: n / together,
    p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), cpu: quantile(shares, 0.5),
  });
  return idsOf(a, found, n);
}

function main() {
  const a = parse(process.argv.slice(2));
  const saved = path.join(path.dirname(a.out), `${path.basename(a.out)}.usearch`);
  try {
    build(a, saved);
    const queries = read(a.queries);
    const found = [];
    for (const ef of a.ef) {
      const index = create(a, ef);
      index.load(saved);
      for (const threads of a.searchThreads) found.push(Buffer.from(measure(a, index, queries, threads, ef).buffer));
      global.gc();
    }
    fs.writeFileSync(a.out, Buffer.concat(found));
  } finally {
    fs.rmSync(saved, { force: true });
  }
}

main();
