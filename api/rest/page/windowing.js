// The window of a viewer's picture: which grey levels of the original are shown, by
// dragging, by sliders, by numbers, or as the file or its values have it.
import { choice, el } from "./ui.js";
import { within } from "./stage.js";

const presets = [["", "The file's own"], ["full", "Full range"], ["percentile", "0.5th to 99.5th percentile"], ["own", "As set here"]];
const sensitivity = 1 / 300; // of the window's width by one pixel of a drag

// windowing are the controls of a viewer (see viewer.js), hidden where there is no window.
export function windowing(viewer) {
	return new Windowing(viewer);
}

class Windowing {
	constructor(viewer) {
		this.viewer = viewer;
		const pick = choice("Window", presets, "", (name) => this.preset(name));
		this.select = pick.querySelector("select");
		this.tool = el("button", { type: "button", "aria-pressed": "false", title: "A drag changes window and level; so does one by the right button", onclick: () => this.swap() }, "Drag levels");
		this.centre = this.pair("Level", (value) => ({ centre: value }));
		this.width = this.pair("Width", (value) => ({ width: value }));
		this.node = el("div", { class: "viewer-window", hidden: true }, el("div", { class: "viewer-row" }, pick, this.tool), this.centre.node, this.width.node);
	}

	// pair is a slider and a number of the same value.
	pair(label, change) {
		const set = (e) => { if (e.target.value !== "" && Number.isFinite(Number(e.target.value))) this.set(change(Number(e.target.value))); };
		const slider = el("input", { type: "range", "aria-label": label, oninput: set });
		const exact = el("input", { type: "number", "aria-label": label + ", as a number", step: "any", onchange: set });
		return { node: el("div", { class: "viewer-row" }, el("span", { class: "muted small" }, label), slider, exact), slider, exact };
	}

	get now() { return this.viewer.wanted ?? this.viewer.shown; }

	preset(name) {
		if (name === "own") return this.tell();
		Object.assign(this.viewer, { wanted: null, levels: name });
		return this.viewer.load();
	}

	set(change) {
		if (!this.now) return;
		const { centre, width } = { ...this.now, ...change };
		this.viewer.wanted = { ...this.now, centre: tidy(centre, width), width: Math.max(tidy(width, width), 1e-6) };
		this.viewer.soon();
	}

	// drag changes the window by pixels: to the right it becomes wider, downwards brighter.
	drag(dx, dy) {
		if (!this.now) return;
		const { centre, width } = this.now;
		this.set({ width: width * Math.exp(2 * dx * sensitivity), centre: centre - dy * width * sensitivity });
	}

	swap() {
		if (!this.now) return;
		const { stage } = this.viewer, window = stage.tool !== "window";
		stage.tool = window ? "window" : "move";
		stage.node.classList.toggle("levels", window);
		this.tool.setAttribute("aria-pressed", String(window));
	}

	// tell shows how the window is; the sliders reach as far as any window was.
	tell() {
		const { now, viewer } = this;
		this.node.hidden = !viewer.source.medical && !now;
		this.centre.node.hidden = this.width.node.hidden = this.tool.hidden = !now;
		this.select.value = viewer.wanted ? "own" : viewer.levels;
		if (!now) return;
		this.low = Math.min(this.low ?? Infinity, now.centre - now.width);
		this.high = Math.max(this.high ?? -Infinity, now.centre + now.width);
		this.show(this.centre, now.centre, this.low, this.high);
		this.show(this.width, now.width, (this.high - this.low) / 1000, this.high - this.low);
	}

	show({ slider, exact }, value, low, high) {
		slider.min = low;
		slider.max = high;
		slider.step = (high - low) / 1000;
		slider.value = within(value, low, high);
		slider.setAttribute("aria-valuetext", String(value));
		if (document.activeElement !== exact) exact.value = value;
	}
}

// tidy rounds to what a window of that width can tell apart.
function tidy(value, width) {
	const step = 10 ** Math.floor(Math.log10(Math.max(width, 1e-6) / 100));
	return Number((Math.round(value / step) * step).toPrecision(12));
}
