// A viewer: a stage, what loads its pictures, and its controls. The window of a DICOM
// image is the server's to apply; while it is being changed the picture at hand is
// shown as if it had been, until the server's arrives.
import { el, failed, fill, style, svg } from "./ui.js";
import { Stage, within } from "./stage.js";
import { writeWindow } from "./pictures.js";
import { windowing } from "./windowing.js";

const settleTime = 120; // milliseconds without a change before the server is asked
let filters = 0;

// viewer shows source (see pictures.js) under a label; alt says what the picture is.
// viewed(view) hears of zooming and moving, framed(n) of another frame,
// and of the first once it is known that there are several. signal ends it.
export function viewer(source, { label, alt, signal, frame = source.frame, viewed, framed = () => {} }) {
	style("viewer.css");
	const v = new Viewer(source, { label, alt, signal, viewed, framed });
	v.frame = frame || 1;
	v.load();
	return v;
}

class Viewer {
	constructor(source, { label, alt, signal, viewed, framed }) {
		Object.assign(this, { source, alt, signal, framed, frames: 1, levels: "", wanted: null, shown: null, url: "" });
		this.windowing = windowing(this);
		this.stage = new Stage(label, { viewed: (view) => { this.tell(); viewed?.(view); }, dragged: (dx, dy) => this.windowing.drag(dx, dy), resized: () => this.tell() });
		this.preview = linear("preview-" + ++filters);
		this.state = el("div", { class: "viewer-state" });
		this.node = el("div", { class: "viewer" }, el("div", { class: "viewer-stage" }, this.stage.node, this.state, this.preview.node), this.controls());
		signal.addEventListener("abort", () => this.close(), { once: true });
	}

	close() {
		clearTimeout(this.timer);
		this.asking?.abort();
		this.stage.close();
		if (this.url) URL.revokeObjectURL(this.url);
	}

	// soon asks for the picture once nothing has changed for a moment.
	soon() {
		clearTimeout(this.timer);
		this.timer = setTimeout(() => this.load(), settleTime);
		this.shade();
	}

	// load asks for the picture as it is wanted, and lets go of what was asked before.
	async load() {
		this.asking?.abort();
		const asking = this.asking = new AbortController();
		this.node.setAttribute("aria-busy", "true");
		try {
			const answer = await this.source.load(this.parameters(), asking.signal);
			if (asking.signal.aborted || this.signal.aborted) return URL.revokeObjectURL(answer.url);
			await this.arrived(answer);
		} catch (err) {
			if (err.name === "AbortError" || asking.signal.aborted) return;
			if (!("status" in err)) console.error(err);
			fill(this.state, failed(err, () => { fill(this.state); this.load(); }));
		}
		if (this.asking === asking) this.node.removeAttribute("aria-busy");
	}

	parameters() {
		const { wanted, levels, frame } = this;
		return { frame, window: wanted ? writeWindow(wanted) : "", levels: wanted ? "" : levels };
	}

	async arrived({ url, frames, window }) {
		fill(this.state);
		const old = this.url;
		this.url = url;
		const several = frames !== this.frames;
		this.frames = frames;
		if (several) this.framed(this.frame);
		await this.stage.show(url, this.alt, this.source.width);
		this.shown = window;
		this.shade();
		this.tell();
		if (old) URL.revokeObjectURL(old);
	}

	// shade shows the picture at hand by the window that is wanted, and inverted if asked.
	shade() {
		const { wanted, shown, stage, invert } = this;
		const same = !wanted || !shown || wanted.centre === shown.centre && wanted.width === shown.width;
		if (!same) this.preview.set(shown, wanted, this.source.inverted);
		stage.image.style.filter = [same ? "" : `url(#${this.preview.id})`, invert ? "invert(1)" : ""].filter(Boolean).join(" ") || "none";
		this.windowing.tell();
	}

	toFrame(n) {
		const frame = within(n, 1, this.frames);
		if (frame === this.frame) return;
		this.frame = frame;
		this.framed(frame);
		this.tell();
		this.soon();
	}

	toggleInvert() {
		this.invert = !this.invert;
		this.shade();
		this.tell();
	}

	reset() {
		Object.assign(this, { wanted: null, levels: "", invert: false });
		this.stage.whole();
		this.shade();
		this.load();
	}

	// bindings are the viewer's keys, for context.bind and for dialogs.
	bindings() {
		return {
			"+": ["Zoom in", () => this.stage.zoom(1.25)],
			"-": ["Zoom out", () => this.stage.zoom(0.8)],
			"0": ["Fit the image", () => this.stage.whole()],
			"1": ["One pixel to one", () => this.stage.actual()],
			"i": ["Invert the image", () => this.toggleInvert()],
			"w": ["Drag for window and level, or to move", () => this.windowing.swap()],
			",": ["The frame before", () => this.toFrame(this.frame - 1)],
			".": ["The next frame", () => this.toFrame(this.frame + 1)],
			"r": ["Reset the image", () => this.reset()],
		};
	}

	controls() {
		const button = (text, label, does) => el("button", { type: "button", "aria-label": label, title: label, onclick: does }, text);
		this.zoomed = el("output", { class: "viewer-zoom", "aria-label": "Zoom" });
		this.inverted = el("button", { type: "button", "aria-pressed": "false", onclick: () => this.toggleInvert() }, "Invert");
		this.slider = el("input", { type: "range", min: 1, max: 1, step: 1, "aria-label": "Frame", oninput: (e) => this.toFrame(Number(e.target.value)) });
		this.count = el("output", {});
		this.frameRow = el("div", { class: "viewer-row", hidden: true }, el("span", { class: "muted small" }, "Frame"), this.slider, this.count);
		return el("div", { class: "viewer-controls" },
			el("div", { class: "viewer-row" }, button("−", "Zoom out", () => this.stage.zoom(0.8)), this.zoomed, button("+", "Zoom in", () => this.stage.zoom(1.25)),
				button("Fit", "Fit the image", () => this.stage.whole()), button("1:1", "1:1, one pixel to one", () => this.stage.actual()), this.inverted, button("Reset", "Reset the image", () => this.reset())),
			this.frameRow, this.windowing.node);
	}

	// tell shows in the controls how things are.
	tell() {
		this.zoomed.textContent = Math.round(100 * this.stage.scale) + " %";
		this.inverted.setAttribute("aria-pressed", String(!!this.invert));
		this.frameRow.hidden = this.frames < 2;
		this.slider.max = this.frames;
		this.slider.value = this.frame;
		this.slider.setAttribute("aria-valuetext", `${this.frame} of ${this.frames}`);
		this.count.textContent = `${this.frame} / ${this.frames}`;
	}
}

// linear is a filter that shows a picture made by one window as by another: what is
// v of 1 there is (v w₀ + c₀ − w₀/2 − c + w/2) / w here.
function linear(id) {
	const channels = ["R", "G", "B"].map((c) => svg("feFunc" + c, { type: "linear" }));
	const node = svg("svg", { width: 0, height: 0, "aria-hidden": "true", class: "hidden" }, svg("filter", { id, "color-interpolation-filters": "sRGB" }, svg("feComponentTransfer", {}, channels)));
	const set = (from, to, inverted) => {
		const slope = from.width / to.width;
		const low = (from.centre - from.width / 2 - to.centre + to.width / 2) / to.width;
		for (const c of channels) {
			c.setAttribute("slope", slope);
			c.setAttribute("intercept", inverted ? 1 - slope - low : low);
		}
	};
	return { id, node, set };
}
