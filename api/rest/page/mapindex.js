// Which points of a map are where: a grid of about two points a cell, for the
// nearest point to a place and for those within a shape.

// grid is an index of points at xs and ys, as they are now.
export function grid(xs, ys) {
	const n = xs.length, [left, right] = extent(xs), [bottom, top] = extent(ys);
	const side = Math.max(1, Math.ceil(Math.sqrt(n / 2)));
	const step = Math.max(right - left, top - bottom, 1e-9) / side;
	const columns = Math.floor((right - left) / step) + 1, rows = Math.floor((top - bottom) / step) + 1;
	const cell = (i) => Math.floor((ys[i] - bottom) / step) * columns + Math.floor((xs[i] - left) / step);
	const starts = new Uint32Array(columns * rows + 1), order = new Uint32Array(n);
	for (let i = 0; i < n; i++) starts[cell(i) + 1]++;
	for (let c = 1; c < starts.length; c++) starts[c] += starts[c - 1];
	const next = starts.slice();
	for (let i = 0; i < n; i++) order[next[cell(i)]++] = i;
	return { xs, ys, left, bottom, step, columns, rows, starts, order };
}

// extent is the least and the largest of values, 0 and 0 of none.
export function extent(values) {
	let least = Infinity, most = -Infinity;
	for (const v of values) {
		if (v < least) least = v;
		if (v > most) most = v;
	}
	return least > most ? [0, 0] : [least, most];
}

// nearest is the point nearest to x and y, of those that seen(i) lets pass and that
// are at most reach away; -1 is none. Of equally near ones it is the first.
export function nearest(g, x, y, reach, seen = () => true) {
	let best = -1, least = reach * reach;
	within(g, x - reach, y - reach, x + reach, y + reach, (i) => {
		const d = (g.xs[i] - x) ** 2 + (g.ys[i] - y) ** 2;
		if ((d < least || (d === least && (best < 0 || i < best))) && seen(i)) [best, least] = [i, d];
	});
	return best;
}

// within calls found with each point of a rectangle, its edges included.
export function within(g, left, bottom, right, top, found) {
	const at = (v, from, most) => Math.min(most - 1, Math.max(0, Math.floor((v - from) / g.step)));
	const first = at(left, g.left, g.columns), last = at(right, g.left, g.columns), above = at(top, g.bottom, g.rows);
	for (let row = at(bottom, g.bottom, g.rows); row <= above; row++) {
		for (let k = g.starts[row * g.columns + first]; k < g.starts[row * g.columns + last + 1]; k++) {
			const i = g.order[k];
			if (g.xs[i] >= left && g.xs[i] <= right && g.ys[i] >= bottom && g.ys[i] <= top) found(i);
		}
	}
}

// beside is the point that an arrow key goes to from point i: the nearest within 45
// degrees of a direction, of those that seen(j) lets pass; i if there is none. Points
// in the same place are passed over.
export function beside(g, i, [dx, dy], seen = () => true) {
	let best = i, least = Infinity;
	for (let j = 0; j < g.xs.length; j++) {
		const x = g.xs[j] - g.xs[i], y = g.ys[j] - g.ys[i], ahead = x * dx + y * dy;
		if (ahead <= 0 || Math.abs(x * dy - y * dx) > ahead) continue;
		const d = x * x + y * y;
		if (d < least && seen(j)) [best, least] = [j, d];
	}
	return best;
}
