// The buttons that say what an image shows: one for each class, with its key.
import { colourOf, el, fill } from "./ui.js";
import { unsure } from "./labelstore.js";

// keys are those of the classes, in their order; the letters left out do other things
// here or everywhere.
const keys = [..."123456789abdfhjklnopqvyz"];

// Panel gives a label by give(label): at once where the task has one class for each
// image, and by Enter where it has several.
export class Panel {
	constructor(task, give, another, other) {
		Object.assign(this, { task, on: false, give, another, present: new Set(), uncertain: new Set(), touched: false });
		this.classes = el("div", { class: "classes", role: "group", "aria-label": `Classes of ${task.name}` });
		this.unsure = el("button", { type: "button", "aria-pressed": "false", title: "The next label counts half", onclick: () => this.doubt() }, "Unsure ", el("kbd", {}, "x"));
		this.box = el("section", { class: "card verdict", "aria-label": "Label" }, this.classes, el("div", { class: "row acts" },
			task.multi ? [el("button", { type: "button", class: "primary store", onclick: () => this.store() }, "Store ", el("kbd", {}, "Enter")),
				el("button", { type: "button", title: "Stores that all classes are uncertain", onclick: () => this.cannotTell() }, "Cannot tell ", el("kbd", {}, "c"))] : this.unsure,
			other, el("button", { type: "button", class: "quiet always", onclick: () => this.another() }, "+ Class")));
		this.build();
	}

	// build makes the buttons anew, as after a class was added.
	build() {
		this.buttons = (this.task.classes ?? []).map((name, i) => {
			const mark = el("span", { class: "mark", "aria-hidden": "true" }), hint = el("span", { class: "state-text muted small" });
			const b = el("button", { type: "button", role: this.task.multi ? "checkbox" : null, data: { class: name }, onclick: () => this.press(name) },
				el("i", { class: "dot", style: { "--colour": colourOf(this.task.classes, name) }, "aria-hidden": "true" }), mark, el("span", { class: "name" }, name), hint, keys[i] && el("kbd", { "aria-hidden": "true" }, keys[i]));
			if (keys[i]) b.setAttribute("aria-keyshortcuts", keys[i]);
			return Object.assign(b, { named: name, mark, hint });
		});
		this.classes.classList.toggle("many", this.buttons.length > 8);
		fill(this.classes, this.buttons);
		this.show();
	}

	// bindings are the keys of the classes and of what stores.
	bindings() {
		const all = {}, once = (does) => (e) => { if (!e.repeat) does(e); }; // a key held down is pressed once
		this.buttons.forEach((b, i) => { if (keys[i]) all[keys[i]] = [this.task.multi ? `${b.named}: present, uncertain, absent` : b.named, once(() => this.press(b.named))]; });
		if (!this.task.multi) return { ...all, x: ["Unsure: the next label counts half", () => this.doubt()] };
		return { ...all, Enter: ["Store", once((e) => (e.target.closest?.("button:not([role=checkbox]), a, summary") ? e.target.click() : this.store()))], c: ["Cannot tell: all classes are uncertain", once(() => this.cannotTell())] };
	}

	// begin shows a case of which its reader has said this, null for nothing, or has
	// said it without its being stored.
	begin(mine) {
		this.touched = false;
		this.present = new Set(mine?.classes ?? []);
		this.uncertain = new Set(mine?.uncertain ?? []);
		this.unsure.setAttribute("aria-pressed", "false");
		this.show();
	}

	// enable lets labels be given, or not. The buttons keep the focus meanwhile.
	enable(on) {
		this.on = on;
		for (const b of this.box.querySelectorAll("button:not(.always)")) b.setAttribute("aria-disabled", String(!on));
	}

	show() {
		for (const b of this.buttons) {
			const present = this.present.has(b.named), uncertain = this.uncertain.has(b.named);
			b.setAttribute(this.task.multi ? "aria-checked" : "aria-pressed", uncertain ? "mixed" : String(present));
			b.mark.textContent = uncertain ? "?" : present ? "✓" : "";
			b.hint.textContent = uncertain ? "uncertain" : "";
		}
	}

	press(name) {
		if (!this.on) return;
		if (!this.task.multi) return this.give(this.doubted({ classes: [name] }));
		const was = this.present.has(name) ? "present" : this.uncertain.has(name) ? "uncertain" : "absent";
		this.touched = true;
		this.present.delete(name);
		this.uncertain.delete(name);
		if (was === "absent") this.present.add(name);
		if (was === "present") this.uncertain.add(name);
		this.show();
	}

	doubt() { this.unsure.setAttribute("aria-pressed", String(this.unsure.getAttribute("aria-pressed") !== "true")); }

	doubted(label) { return this.unsure.getAttribute("aria-pressed") === "true" ? { ...label, confidence: unsure } : label; }

	store() {
		if (!this.on) return;
		this.give(this.chosen());
	}

	chosen() { return { classes: [...this.present].sort(), uncertain: [...this.uncertain].sort() }; }

	cannotTell() {
		if (!this.on) return;
		this.give({ classes: [], uncertain: [...this.task.classes] });
	}
}
