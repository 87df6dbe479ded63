// Where the points of a map are: along two principal components, or placed by UMAP,
// and how they get from one place to another.
import { extent } from "./mapindex.js";

export const layouts = [["pca", "Principal components"], ["umap", "UMAP"]];
export const umapOf = { components: 16, limit: 10000 }; // what UMAP is given
export const fewest = 5; // points that UMAP takes

const calm = matchMedia("(prefers-reduced-motion: reduce)");

// columns are the first two coordinates of each point.
export function columns({ coordinates, components, ids }) {
	const xs = new Float32Array(ids.length), ys = new Float32Array(ids.length);
	for (let i = 0; i < ids.length; i++) [xs[i], ys[i]] = [coordinates[i * components], coordinates[i * components + 1]];
	return [xs, ys];
}

// normalized puts places about 0, the larger extent from -1 to 1, so that layouts
// can turn into each other.
export function normalized([xs, ys]) {
	const [left, right] = extent(xs), [bottom, top] = extent(ys), half = Math.max(right - left, top - bottom, 1e-9) / 2;
	return [xs.map((x) => (x - (left + right) / 2) / half), ys.map((y) => (y - (bottom + top) / 2) / half)];
}

// mover moves a plot's points to other places within a time in milliseconds, or at
// once for those who want less motion. A later move takes the place of one before.
export function mover(plot, signal) {
	let run = 0;
	signal.addEventListener("abort", () => { run++; }, { once: true });
	return ([toX, toY], time, then = () => {}) => {
		const mine = ++run, began = performance.now(), [fromX, fromY] = [plot.xs.slice(), plot.ys.slice()];
		if (calm.matches || fromX.length !== toX.length) {
			plot.place(toX, toY);
			return then();
		}
		const xs = new Float32Array(toX.length), ys = new Float32Array(toX.length);
		const step = () => {
			if (mine !== run) return;
			const part = Math.min(1, (performance.now() - began) / time), eased = part * (2 - part);
			for (let i = 0; i < xs.length; i++) {
				xs[i] = fromX[i] + (toX[i] - fromX[i]) * eased;
				ys[i] = fromY[i] + (toY[i] - fromY[i]) * eased;
			}
			if (part === 1) return (plot.place(toX, toY), then());
			plot.place(xs, ys);
			requestAnimationFrame(step);
		};
		return step();
	};
}

// umap places the points of a map. told hears {stage, done, total}, placed the places
// meanwhile, unless less motion is wanted, and ended the last ones, or failed an
// error. An aborted signal ends it.
export function umap({ coordinates, components }, { told, placed, ended, failed, signal }) {
	const worker = new Worker("/page/umapworker.js");
	signal.addEventListener("abort", () => worker.terminate(), { once: true });
	worker.addEventListener("error", (e) => { worker.terminate(); failed(new Error(e.message || "UMAP has failed")); });
	worker.addEventListener("message", ({ data }) => {
		if (signal.aborted) return;
		if (data.stage) told(data);
		if (!data.places) return;
		const n = data.places.length / 2, xs = new Float32Array(n), ys = new Float32Array(n);
		for (let i = 0; i < n; i++) [xs[i], ys[i]] = [data.places[2 * i], data.places[2 * i + 1]];
		if (data.end) {
			worker.terminate();
			ended([xs, ys]);
		} else if (!calm.matches) placed([xs, ys]);
	});
	worker.postMessage({ coordinates: Float32Array.from(coordinates), components, seed: 1 });
}
