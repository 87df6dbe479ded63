// A stage shows one picture that is zoomed and moved by mouse, touch and keys. The
// views Query and Label use it.
import { el } from "./ui.js";

const least = 0.5, most = 40; // zooms

// Stage holds a view {zoom, x, y}: zoom 1 fits the picture into the stage, and x and
// y are the point of the picture, as shares of its width and height, that is in the
// stage's middle. So a view means the same on stages and pictures of other sizes.
//
// viewed(view) hears of every change by the reader, dragged(dx, dy) of a drag
// by the right button, or by any while tool is "window"; resized of another size.
export class Stage {
	constructor(label, { viewed = () => {}, dragged, resized = () => {} } = {}) {
		this.viewed = viewed;
		this.dragged = dragged;
		this.tool = "move";
		this.view = { zoom: 1, x: 0.5, y: 0.5 };
		this.pointers = new Map();
		this.image = el("img", { draggable: "false", alt: "" });
		this.node = el("div", { class: "stage", tabindex: 0, role: "group", "aria-label": label }, this.image);
		this.listen();
		this.sizes = new ResizeObserver(() => { this.draw(); resized(); });
		this.sizes.observe(this.node);
	}

	close() { this.sizes.disconnect(); }

	// show gives the stage a picture, that of url, whose original is so many pixels wide.
	async show(url, alt, width = 0) {
		this.image.alt = alt;
		this.image.src = url;
		await this.image.decode().catch(() => { throw Object.assign(new Error("the browser cannot show this picture"), { status: 415, title: "The browser cannot show this picture" }); });
		this.width = Math.max(width, this.image.naturalWidth);
		this.height = this.width * this.image.naturalHeight / this.image.naturalWidth;
		this.draw();
	}

	get fit() { return this.width ? Math.min(this.node.clientWidth / this.width, this.node.clientHeight / this.height) || 1 : 1; }
	get scale() { return this.fit * this.view.zoom; }

	draw() {
		if (!this.width) return;
		const { style } = this.image, s = this.scale;
		style.width = this.width + "px";
		style.transform = `translate(${this.node.clientWidth / 2 - this.view.x * this.width * s}px, ${this.node.clientHeight / 2 - this.view.y * this.height * s}px) scale(${s})`;
		style.visibility = "visible";
	}

	// look sets the view, as another stage has it.
	look(view) {
		this.view = { zoom: within(view.zoom, least, most), x: within(view.x, 0, 1), y: within(view.y, 0, 1) };
		this.draw();
	}

	set(view) {
		this.look({ ...this.view, ...view });
		this.viewed(this.view);
	}

	// zoom zooms about a point of the stage, in pixels from its middle.
	zoom(factor, dx = 0, dy = 0) {
		const s = this.scale, zoom = within(this.view.zoom * factor, least, most), grown = this.fit * zoom;
		if (!this.width) return;
		this.set({ zoom, x: this.view.x + dx / this.width * (1 / s - 1 / grown), y: this.view.y + dy / this.height * (1 / s - 1 / grown) });
	}

	// move moves the picture by pixels of the stage.
	move(dx, dy) {
		if (this.width) this.set({ x: this.view.x - dx / (this.width * this.scale), y: this.view.y - dy / (this.height * this.scale) });
	}

	whole() { this.set({ zoom: 1, x: 0.5, y: 0.5 }); }
	actual() { this.set({ zoom: 1 / this.fit }); }

	listen() {
		const on = (name, does, options) => this.node.addEventListener(name, does.bind(this), options);
		on("wheel", this.wheeled, { passive: false });
		on("pointerdown", this.pressed);
		on("pointermove", this.moved);
		for (const name of ["pointerup", "pointercancel"]) on(name, this.released);
		on("dblclick", () => (this.view.zoom === 1 ? this.actual() : this.whole()));
		on("contextmenu", (e) => { if (this.dragged) e.preventDefault(); });
		on("keydown", this.keyed);
	}

	fromMiddle(e) {
		const box = this.node.getBoundingClientRect();
		return [e.clientX - box.left - box.width / 2, e.clientY - box.top - box.height / 2];
	}

	wheeled(e) {
		e.preventDefault();
		this.zoom(Math.exp(-within(e.deltaY, -120, 120) * (e.ctrlKey ? 0.01 : 0.002)), ...this.fromMiddle(e));
	}

	pressed(e) {
		if (e.button === 1) return;
		this.node.setPointerCapture(e.pointerId);
		this.pointers.set(e.pointerId, { x: e.clientX, y: e.clientY });
		this.levelling = this.dragged && (e.button === 2 || this.tool === "window") && this.pointers.size === 1;
		this.node.classList.add("held");
	}

	moved(e) {
		const was = this.pointers.get(e.pointerId);
		if (!was) return;
		const dx = e.clientX - was.x, dy = e.clientY - was.y;
		if (this.pointers.size === 2) this.pinched(e, was);
		else if (this.levelling) this.dragged(dx, dy);
		else this.move(dx, dy);
		this.pointers.set(e.pointerId, { x: e.clientX, y: e.clientY });
	}

	// pinched zooms by what two fingers have come apart, and moves by half of what one has.
	pinched(e, was) {
		const [other] = [...this.pointers].filter(([id]) => id !== e.pointerId).map(([, p]) => p);
		const apart = (p) => Math.hypot(p.x - other.x, p.y - other.y) || 1;
		const middle = { clientX: (e.clientX + other.x) / 2, clientY: (e.clientY + other.y) / 2 };
		this.zoom(apart({ x: e.clientX, y: e.clientY }) / apart(was), ...this.fromMiddle(middle));
		this.move((e.clientX - was.x) / 2, (e.clientY - was.y) / 2);
	}

	released(e) {
		if (!this.pointers.delete(e.pointerId)) return;
		if (this.pointers.size === 0) this.node.classList.remove("held");
		this.levelling = false;
	}

	keyed(e) {
		const step = 0.1 * Math.min(this.node.clientWidth, this.node.clientHeight);
		const [dx, dy] = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[e.key] ?? [0, 0];
		if ((dx || dy) && !e.ctrlKey && !e.metaKey && !e.altKey) {
			e.preventDefault();
			if (e.shiftKey && this.dragged) this.dragged(-dx, -dy);
			else this.move(dx, dy);
		}
	}
}

export const within = (x, low, high) => Math.min(Math.max(x, low), high);
