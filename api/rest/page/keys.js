// Keys of the keyboard: single letters and digits do what buttons do. They are
// silent while somebody types, while a dialog is open, and when switched off
// (WCAG 2.2, success criterion 2.1.4).
import { dialog, el } from "./ui.js";

const everywhere = new Map(), here = new Map(); // key to {does, says}
let leader = "";
const off = () => localStorage.getItem("keys") === "off";

// always binds keys for all views, bind for the view that is open until unbind.
// bindings are {key: [what it says, what it does]}; "g q" is g and then q.
export const always = (bindings) => add(everywhere, bindings);
export const bind = (bindings) => add(here, bindings);
export const unbind = () => here.clear();

function add(to, bindings) {
	for (const [key, [says, does]] of Object.entries(bindings)) to.set(key, { says, does });
}

addEventListener("keydown", (e) => {
	if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || e.isComposing || off()) return;
	if (e.target.closest?.("input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, dialog, [contenteditable]")) return leave(e);
	if (e.key.startsWith("Arrow") && e.target.closest?.("input, [role=tab]")) return; // they move what has the focus
	const key = leader ? `${leader} ${e.key}` : e.key;
	leader = "";
	const bound = here.get(key) ?? everywhere.get(key);
	if (bound) {
		e.preventDefault();
		bound.does(e);
	} else if (e.key === "g") {
		leader = "g";
		setTimeout(() => { leader = ""; }, 3000);
	}
});

// leave lets Escape go on from a field to the content, where keys do something again.
function leave(e) {
	if (e.key === "Escape" && !e.target.closest("dialog")) document.getElementById("main").focus({ preventScroll: true });
}

// help shows which keys there are, and lets them be switched off.
export function help() {
	const table = (title, bound) => bound.size > 0 && [el("h3", {}, title), el("dl", { class: "keys" },
		[...bound].map(([key, { says }]) => [el("dt", {}, key.split(" ").map((k) => el("kbd", {}, k === " " || k === "" ? "space" : k))), el("dd", {}, says)]))];
	dialog("Keys", table("In this view", here), table("Everywhere", everywhere),
		el("p", { class: "muted" }, "Tab and the arrow keys reach everything without these. In a field, Escape goes on to where they do something."),
		el("label", { class: "row" }, el("input", { type: "checkbox", checked: !off(), onchange: (e) => localStorage.setItem("keys", e.target.checked ? "on" : "off") }), "Single keys do something"));
}
