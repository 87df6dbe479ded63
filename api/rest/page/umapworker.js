// Places points by UMAP (McInnes, Healy and Melville, 2018, arXiv 1802.03426) off the
// page's own thread. It is told {coordinates, components, seed}, n times so many
// numbers, and answers {stage, done, total}, with places meanwhile and at the end as
// {places, end}: x and y of each point in turn. The same points and seed get the
// same places.
importScripts("/page/umap.js");

const neighbours = 15, told = 200; // milliseconds between two answers

addEventListener("message", ({ data: { coordinates, components, seed } }) => {
	const n = coordinates.length / components, k = Math.min(neighbours, n - 1);
	const umap = new self.UMAP.UMAP({ nComponents: 2, nNeighbors: k, minDist: 0.1, random: seeded(seed) });
	const { indices, distances } = nearest(coordinates, components, n, k);
	umap.setPrecomputedKNN(indices, distances);
	const epochs = umap.initializeFit(indices);
	begin(umap.embedding, coordinates, components);
	let last = 0;
	for (let epoch = 0; epoch < epochs; epoch++) {
		umap.step();
		if (performance.now() - last < told) continue;
		last = performance.now();
		tell({ stage: "Placing", done: epoch, total: epochs }, umap.embedding);
	}
	tell({ end: true }, umap.embedding);
});

function tell(message, embedding) {
	const places = Float32Array.from(embedding.flat());
	postMessage({ ...message, places }, [places.buffer]);
}

// begin puts points where their first two components are, from -10 to 10, in place
// of at random: what is far apart then stays so, and each run is alike.
function begin(embedding, coordinates, components) {
	let most = 1e-9;
	for (let i = 0; i < embedding.length; i++) most = Math.max(most, Math.abs(coordinates[i * components]), Math.abs(coordinates[i * components + 1]));
	embedding.forEach((place, i) => {
		for (const axis of [0, 1]) place[axis] = coordinates[i * components + axis] / most * 10 + place[axis] * 1e-4;
	});
}

// nearest finds k points for each, itself and then the nearest, by comparing all.
function nearest(coordinates, components, n, k) {
	const indices = [], distances = [], near = new Float64Array(k - 1), which = new Int32Array(k - 1);
	let last = performance.now();
	for (let i = 0; i < n; i++) {
		near.fill(Infinity);
		compare(coordinates, components, n, i, near, which);
		indices.push([i, ...which]);
		distances.push([0, ...near].map(Math.sqrt));
		if (performance.now() - last < told) continue;
		last = performance.now();
		postMessage({ stage: "Finding neighbours", done: i, total: n });
	}
	return { indices, distances };
}

// compare keeps in near the squared distances of point i's nearest, sorted.
function compare(coordinates, components, n, i, near, which) {
	const k = near.length, at = i * components;
	for (let j = 0; j < n; j++) {
		if (j === i) continue;
		let d = 0;
		for (let c = 0, other = j * components; c < components && d < near[k - 1]; c++) {
			const by = coordinates[at + c] - coordinates[other + c];
			d += by * by;
		}
		if (d >= near[k - 1]) continue;
		let to = k - 1;
		for (; to > 0 && near[to - 1] > d; to--) [near[to], which[to]] = [near[to - 1], which[to - 1]];
		[near[to], which[to]] = [d, j];
	}
}

// seeded is mulberry32, a generator of numbers from 0 to 1 that repeats.
function seeded(seed) {
	return () => {
		seed = (seed + 0x6d2b79f5) | 0;
		let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}
