// What hands do on a map: drag and wheel, two fingers, and the keyboard.
import { beside, nearest, within } from "./mapindex.js";
import { el } from "./ui.js";

const reach = 14; // CSS pixels from which a point is pointed at

// hands lets a plot be moved and pointed at. told has
//
//	index()           the grid of the points as they are now
//	hover(i, from)    point i is pointed at, by "mouse" or "key"; -1 is none
//	brush(list, add)  points are chosen, beside those before or in their place
//	open(i)           point i is to be shown
//	brushing()        whether a drag chooses rather than moves
export function hands(plot, told) {
	const { canvas } = plot, band = el("div", { class: "band", hidden: true });
	canvas.parentElement.append(band);
	const fingers = new Map();
	let began = null;
	const place = (e) => [e.offsetX, e.offsetY];
	const pointed = (px, py) => nearest(told.index(), ...plot.at(px, py), reach / plot.view.scale, (i) => plot.seen(i));

	canvas.addEventListener("pointerdown", (e) => {
		if (e.button !== 0) return;
		canvas.setPointerCapture(e.pointerId);
		fingers.set(e.pointerId, place(e));
		began = fingers.size === 1 ? { at: place(e), moved: false, brush: e.shiftKey || told.brushing(), add: e.ctrlKey || e.metaKey } : null;
	});
	canvas.addEventListener("pointermove", (e) => {
		const before = fingers.get(e.pointerId), now = place(e);
		if (!before) return void (e.pointerType === "mouse" && told.hover(pointed(...now), "mouse"));
		if (fingers.size === 2) pinch(plot, fingers, e.pointerId, now);
		else if (began && (began.moved ||= Math.hypot(now[0] - began.at[0], now[1] - began.at[1]) > 4)) {
			if (began.brush) draw(band, began.at, now);
			else plot.pan(now[0] - before[0], now[1] - before[1]);
		}
		fingers.set(e.pointerId, now);
	});
	const lift = (e) => {
		fingers.delete(e.pointerId);
		band.hidden = true;
		if (!began || e.type === "pointercancel") return;
		const { at, moved, brush, add } = began;
		began = null;
		if (moved && brush) told.brush(inside(plot, told.index(), at, place(e)), add);
		else if (!moved) tap(pointed(...at), e, brush || add);
	};
	const tap = (i, e, choose) => {
		if (i < 0) return told.hover(-1, "mouse");
		if (choose) return told.brush([i], true);
		if (e.pointerType === "mouse" || told.hovered() === i) return told.open(i);
		return told.hover(i, "key");
	};
	canvas.addEventListener("pointerup", lift);
	canvas.addEventListener("pointercancel", lift);
	canvas.addEventListener("pointerleave", () => told.hover(-1, "mouse"));
	canvas.addEventListener("wheel", (e) => { e.preventDefault(); plot.zoom(Math.exp(-e.deltaY * (e.ctrlKey ? 0.01 : 0.0015)), ...place(e)); }, { passive: false });
	canvas.addEventListener("keydown", (e) => key(plot, told, e));
}

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

// key does what a key says: arrows go to the next point, with shift they move the map.
function key(plot, told, e) {
	if (e.ctrlKey || e.metaKey || e.altKey) return;
	const way = arrows[e.key], at = told.hovered();
	const does = {
		"+": () => plot.zoom(1.5), "=": () => plot.zoom(1.5), "-": () => plot.zoom(1 / 1.5), 0: () => told.fit(),
		" ": () => at >= 0 && told.brush([at], true), Enter: () => at >= 0 && told.open(at), Escape: () => told.brush([], false),
	}[e.key];
	if (!way && !does) return;
	e.preventDefault();
	e.stopPropagation();
	if (does) return void does();
	if (e.shiftKey) return plot.pan(-80 * way[0], 80 * way[1]);
	const seen = (i) => plot.seen(i), { x, y } = plot.view;
	const to = at < 0 ? nearest(told.index(), x, y, 1e9, seen) : beside(told.index(), at, way, seen);
	if (to < 0) return undefined;
	keepInView(plot, to);
	return told.hover(to, "key");
}

function keepInView(plot, i) {
	const [px, py] = plot.on(plot.xs[i], plot.ys[i]), { clientWidth: width, clientHeight: height } = plot.canvas;
	if (px < 20 || py < 20 || px > width - 20 || py > height - 20) plot.look({ ...plot.view, x: plot.xs[i], y: plot.ys[i] });
}

function pinch(plot, fingers, moved, now) {
	const still = [...fingers].find(([id]) => id !== moved)[1], before = fingers.get(moved);
	const apart = ([x, y]) => Math.max(1, Math.hypot(x - still[0], y - still[1]));
	plot.zoom(apart(now) / apart(before), (now[0] + still[0]) / 2, (now[1] + still[1]) / 2);
	plot.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
}

function draw(band, [ax, ay], [bx, by]) {
	band.hidden = false;
	const px = (v) => `${v}px`;
	Object.assign(band.style, { left: px(Math.min(ax, bx)), top: px(Math.min(ay, by)), width: px(Math.abs(ax - bx)), height: px(Math.abs(ay - by)) });
}

// inside are the points between two corners on the canvas that are seen.
export function inside(plot, index, [ax, ay], [bx, by]) {
	const [left, top] = plot.at(Math.min(ax, bx), Math.min(ay, by)), [right, bottom] = plot.at(Math.max(ax, bx), Math.max(ay, by)), list = [];
	within(index, left, bottom, right, top, (i) => { if (plot.seen(i)) list.push(i); });
	return list.sort((a, b) => a - b);
}
