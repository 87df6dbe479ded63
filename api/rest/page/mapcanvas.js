// Points drawn on a canvas. Each frame is written pixel by pixel into one buffer
// and put on the canvas at once, so that what it costs grows with the points and
// the pixels alone, with no path or call of the canvas for any of them.

// At most so many pixels are drawn; what is larger is drawn coarser.
const mostPixels = 4e6;

// Plot shows points at xs and ys (Float32Array, y upwards) in groups. A group has a
// colour and a shape. Draw is asked for by changed and happens with the next frame.
export class Plot {
	constructor(canvas) {
		this.canvas = canvas;
		this.pen = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
		this.xs = this.ys = new Float32Array(0);
		this.groups = new Uint16Array(0);
		this.tints = [];
		this.hidden = new Set();
		this.chosen = new Uint8Array(0); // 1 for each point that is chosen
		this.some = false; // whether any is
		this.view = { x: 0, y: 0, scale: 1 }; // what is in the middle, and CSS pixels for 1
		this.whole = 1; // the scale at which all is in view
		this.ground = 0xff000000;
		this.frames = 0;
		this.drawn = () => {}; // hears of each frame
		this.waiting = 0;
	}

	// place shows points at other places, which keep the same groups.
	place(xs, ys) {
		[this.xs, this.ys] = [xs, ys];
		if (this.chosen.length !== xs.length) this.choose([]);
		this.changed();
	}

	// paint gives each point its group, and each group its colour as [r, g, b].
	paint(groups, colours, ground) {
		this.groups = groups;
		this.colours = colours;
		this.ground = packed(ground);
		this.tints = colours.map(packed);
		this.faint = colours.map((c) => packed(mixed(c, ground, 0.78)));
		this.changed();
	}

	// choose takes the points of a list of numbers as chosen, and no others.
	choose(list) {
		this.chosen = new Uint8Array(this.xs.length);
		for (const i of list) this.chosen[i] = 1;
		this.some = list.length > 0;
		this.changed();
	}

	seen(i) { return !this.hidden.has(this.groups[i]); }

	// resize fits the buffer to the canvas's size on the screen.
	resize() {
		const { clientWidth: width, clientHeight: height } = this.canvas;
		if (width === 0 || height === 0) return;
		this.density = Math.min(devicePixelRatio, Math.sqrt(mostPixels / (width * height)));
		[this.width, this.height] = [Math.round(width * this.density), Math.round(height * this.density)];
		[this.canvas.width, this.canvas.height] = [this.width, this.height];
		// The margin takes what sprites have beyond the edges.
		this.margin = Math.ceil(8 * this.density);
		this.stride = this.width + 2 * this.margin;
		this.image = new ImageData(this.stride, this.height + 2 * this.margin);
		this.pixels = new Uint32Array(this.image.data.buffer);
		this.sprites = null;
		this.changed();
	}

	// fit brings all points into view.
	fit(box) {
		const { clientWidth: width, clientHeight: height } = this.canvas, [left, bottom, right, top] = box;
		this.whole = 0.92 * Math.min(width / Math.max(right - left, 1e-9), height / Math.max(top - bottom, 1e-9));
		this.look({ x: (left + right) / 2, y: (bottom + top) / 2, scale: this.whole });
	}

	look(view) {
		this.view = { ...view, scale: Math.min(this.whole * 400, Math.max(this.whole * 0.5, view.scale)) };
		this.changed();
	}

	// zoom changes the scale and keeps what is at a place of the canvas where it is.
	zoom(factor, px = this.canvas.clientWidth / 2, py = this.canvas.clientHeight / 2) {
		const before = this.at(px, py), { x, y, scale } = this.view;
		this.look({ x, y, scale: scale * factor });
		const after = this.at(px, py);
		this.look({ ...this.view, x: this.view.x + before[0] - after[0], y: this.view.y + before[1] - after[1] });
	}

	pan(dx, dy) {
		const { x, y, scale } = this.view;
		this.look({ x: x - dx / scale, y: y + dy / scale, scale });
	}

	// at is what lies at a place of the canvas in CSS pixels, and on the inverse.
	at(px, py) {
		const { x, y, scale } = this.view;
		return [x + (px - this.canvas.clientWidth / 2) / scale, y - (py - this.canvas.clientHeight / 2) / scale];
	}

	on(x, y) {
		const v = this.view;
		return [(x - v.x) * v.scale + this.canvas.clientWidth / 2, (v.y - y) * v.scale + this.canvas.clientHeight / 2];
	}

	changed() {
		this.waiting ||= requestAnimationFrame(() => { this.waiting = 0; this.draw(); });
	}

	end() { cancelAnimationFrame(this.waiting); this.waiting = 0; }

	draw() {
		if (!this.pixels || this.tints.length === 0) return;
		this.pixels.fill(this.ground);
		const size = this.size();
		if (this.sprites?.size !== size) this.sprites = Object.assign(shapes.map((shape) => sprite(size > 1 ? shape : shapes[0], size, this.stride)), { size });
		if (this.some) {
			this.scatter(this.faint, 0);
			this.scatter(this.tints, 1);
		} else {
			this.scatter(this.tints, 0);
		}
		this.pen.putImageData(this.image, -this.margin, -this.margin);
		this.frames++;
		this.drawn();
	}

	// size is half of how many pixels a point is wide, fewer the more are in view and
	// more where the map is large.
	size() {
		const inView = this.xs.length * Math.min(1, (this.whole / this.view.scale) ** 2), base = inView > 30000 ? 1 : inView > 6000 ? 2 : inView > 1200 ? 3 : 4;
		return Math.max(1, Math.min(7, Math.round(base * Math.max(1, this.density * 0.8, this.width / 1400))));
	}

	// scatter writes the points with that mark into the buffer. This is the loop that
	// a frame's time goes into: it has no call, and nothing in it is made anew.
	scatter(tints, mark) {
		const { xs, ys, groups, chosen, pixels, stride, width, height, margin, view, density } = this;
		const k = view.scale * density, ox = width / 2 - view.x * k, oy = height / 2 + view.y * k;
		const hides = Uint8Array.from(tints, (_, g) => (this.hidden.has(g) ? 1 : 0)), ground = this.ground;
		const ink = Uint32Array.from(tints), fills = tints.map((_, g) => this.sprites[g % shapes.length].fill), halo = this.sprites[0].halo;
		for (let i = 0; i < xs.length; i++) {
			const g = groups[i];
			if (hides[g] || chosen[i] !== mark) continue;
			const x = xs[i] * k + ox, y = oy - ys[i] * k;
			if (!(x >= 0 && x < width && y >= 0 && y < height)) continue;
			const at = ((y | 0) + margin) * stride + (x | 0) + margin, colour = ink[g], fill = fills[g];
			for (let p = 0; p < halo.length; p++) pixels[at + halo[p]] = ground;
			for (let p = 0; p < fill.length; p++) pixels[at + fill[p]] = colour;
		}
	}
}

// The shapes of groups, in turn, as which pixels of a square from -1 to 1 they have.
export const shapes = [
	(x, y) => x * x + y * y <= 1.1, // a disc
	(x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.8, // a square
	(x, y) => y <= 0.85 && y >= 2 * Math.abs(x) - 1.05, // a triangle
	(x, y) => Math.abs(x) + Math.abs(y) <= 1.05, // a diamond
	(x, y) => Math.min(Math.abs(x), Math.abs(y)) <= 0.34 && Math.max(Math.abs(x), Math.abs(y)) <= 1, // a cross
];

// sprite is a shape's pixels of a size as distances in the buffer, and those of a
// ring about it where points are large enough to be told apart by one.
function sprite(shape, size, stride) {
	const fill = [], halo = [], r = size + 1;
	for (let y = -r; y <= r; y++) {
		for (let x = -r; x <= r; x++) {
			if (Math.abs(x) <= size && Math.abs(y) <= size && shape(x / size, y / size)) fill.push(y * stride + x);
			else if (size >= 3 && x * x + y * y <= r * r + 1) halo.push(y * stride + x);
		}
	}
	return { fill: Int32Array.from(fill), halo: Int32Array.from(halo) };
}

// packed is a colour as one little-endian pixel, mixed one with a share of another.
const packed = ([r, g, b]) => (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
export const mixed = (a, b, share) => a.map((v, i) => Math.round(v * (1 - share) + b[i] * share));

// rgb reads a colour such as #1d252e.
export const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
