// The frame of the page: which view of which collection is open, signing in, and
// how the server is. A view is a module of that name that exports
//
//	title                      what it is called
//	open(main, context)        shows it in main until context.signal is aborted
//
// and loads nothing before it is opened. Addresses are #/VIEW/COLLECTION?name=value,
// so that what is looked at never reaches a server's log; titles name view and
// collection alone.
import { ask, session } from "./api.js";
import { confirm, el, empty, failed, fill, loading, toast, unstyle } from "./ui.js";
import * as keys from "./keys.js";

const views = [["query", "Query", "q"], ["label", "Label", "l"], ["collection", "Collection", "c"], ["evaluation", "Evaluation", "e"], ["operation", "Operation", "o"]];
const main = document.getElementById("main");
let collections = null, open = new AbortController(), current = "";

// parse reads an address into {view, collection, params}.
export function parse(hash) {
	const [path, search = ""] = hash.replace(/^#\/?/, "").split("?");
	const [view = "", collection = ""] = path.split("/");
	let name = "";
	try { name = decodeURIComponent(collection); } catch { /* an address that somebody has cut */ }
	return { view: views.some(([v]) => v === view) ? view : "query", collection: name, params: new URLSearchParams(search) };
}

// address is parse's inverse; params that are "" or undefined are left out.
export function address(view, collection, params = {}) {
	const search = new URLSearchParams();
	for (const [name, value] of params instanceof URLSearchParams ? params : Object.entries(params)) if (value !== undefined && value !== null && value !== "") search.append(name, value);
	return `#/${view}${collection ? "/" + encodeURIComponent(collection) : ""}${search.size ? "?" + search : ""}`;
}

async function show() {
	const route = parse(location.hash);
	current = location.hash;
	open.abort();
	open = new AbortController();
	const { signal } = open;
	keys.unbind();
	unstyle();
	nav(route);
	document.title = [views.find(([v]) => v === route.view)[1], route.collection, "nearcase"].filter(Boolean).join(" · ");
	fill(main, loading());
	const coming = import(`./${route.view}.js`), listing = !collections;
	coming.catch(() => {}); // it is told where it is awaited
	try {
		if (listing) await listCollections(signal);
		if (signal.aborted) return;
		const name = route.collection || remembered() || collections[0]?.name || "";
		const listed = listing && collections.find((c) => c.name === name);
		const collection = listed || name && await ask("GET", "/v1/collections/" + encodeURIComponent(name), { signal });
		pick(name);
		nav({ ...route, collection: name });
		if (!collection && route.view !== "operation") return nothingYet();
		const view = await coming;
		if (signal.aborted) return;
		document.title = [view.title, name, "nearcase"].filter(Boolean).join(" · ");
		const heading = el("h1", { tabindex: -1 }, view.title), body = el("div", { class: "view " + route.view }, loading());
		fill(main, heading, body);
		if (!first) heading.focus({ preventScroll: true });
		first = false;
		scrollTo(0, 0);
		await view.open(body, context(route.view, name, collection || null, route.params, signal));
	} catch (err) {
		if (signal.aborted || err.name === "AbortError") return;
		if (err.status === 401) return signIn(err);
		if (err.status === 503 && err.code === "not_ready") return waiting(signal);
		if (!("status" in err)) console.error(err);
		fill(main, el("h1", { tabindex: -1 }, views.find(([v]) => v === route.view)[1]), failed(err, show));
	}
}
let first = true;

// context is what a view is given.
function context(view, name, collection, params, signal) {
	return {
		name, collection, params, signal, bind: keys.bind,
		href: (to, p, other) => address(to, other ?? name, p),
		go: (to, p, other) => { location.hash = address(to, other ?? name, p); },
		// remember puts what is shown into the address without showing it anew, so that
		// the address can be shared. A view that has been left does not.
		remember: (p) => { if (!signal.aborted) history.replaceState(null, "", current = address(view, name, p)); },
		refresh: show,
		collectionsChanged: () => { collections = null; },
	};
}

async function listCollections(signal) {
	({ collections } = await ask("GET", "/v1/collections", { signal }));
	fill(document.getElementById("collection"), collections.map((c) => el("option", { value: c.name }, c.name)));
}

const remembered = () => collections.find((c) => c.name === sessionStorage.getItem("collection"))?.name;

function pick(name) {
	document.getElementById("collection").value = name;
	document.getElementById("collection").closest("label").hidden = collections.length === 0;
	if (name) sessionStorage.setItem("collection", name);
	document.getElementById("leave").hidden = !session.signedIn;
}

function nav(route) {
	fill(document.getElementById("views"), views.map(([view, title, key]) =>
		el("a", { href: address(view, route.collection), "aria-current": view === route.view ? "page" : null, title: `${title} (g ${key})` }, el("i", { class: "icon " + view, "aria-hidden": "true" }), el("span", {}, title))));
}

function nothingYet() {
	fill(main, el("h1", {}, "nearcase"), empty("There is no collection yet", "A collection holds images embedded by one network. Make one by storing images:",
		el("pre", { tabindex: 0 }, "nearcase ingest --collection cxr labels.csv"), el("button", { type: "button", onclick: () => { collections = null; show(); } }, "Look again")));
}

async function leave() {
	if (session.unsaved > 0 && !await confirm("Sign out?", `${session.unsaved === 1 ? "One label is" : session.unsaved + " labels are"} not stored and would be lost.`, "Sign out")) return;
	open.abort();
	session.leave();
	collections = null;
	signIn();
	toast("Signed out.");
}

// signIn asks for a key. Where one was given that the server refuses it says so.
function signIn(err) {
	const refused = session.signedIn;
	session.signOut();
	keys.unbind();
	document.getElementById("leave").hidden = true;
	document.title = "Sign in · nearcase";
	const input = el("input", { type: "password", id: "key", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "none", "aria-describedby": "key-hint" });
	const form = el("form", {
		class: "card signin", onsubmit: (e) => {
			e.preventDefault();
			session.signIn(input.value);
			collections = null;
			show();
		},
	}, el("h1", {}, "Sign in"), refused && el("p", { class: "bad", role: "alert" }, err?.detail || "The server does not know this key."),
		el("label", { for: "key" }, "API key"), input,
		el("p", { id: "key-hint", class: "muted small" }, "It stays in this tab's memory and is gone when you close or reload it."),
		el("button", { type: "submit", class: "primary" }, "Sign in"));
	fill(main, form);
	input.focus();
}

// readiness asks how the server is: null where it cannot be reached.
async function readiness() {
	const answer = await fetch("/readyz", { cache: "no-store" }).catch(() => null);
	return answer && { ok: answer.ok, ...await answer.json().catch(() => ({})) };
}

// waiting shows what a server loads that is not ready yet, until it is.
async function waiting(signal) {
	const box = loading("The server is opening its data");
	fill(main, el("h1", {}, "One moment"), box);
	for (; !signal.aborted;) {
		await new Promise((resolve) => setTimeout(resolve, 1000));
		const server = await readiness();
		if (server?.ok) return signal.aborted || show();
		box.tell(0, 0, server?.detail || "The server cannot be reached");
	}
	return undefined;
}

async function health() {
	const box = document.getElementById("health");
	const server = await readiness();
	const bad = Object.entries(server?.checks ?? {}).filter(([, state]) => state !== "ok").map(([name, state]) => `${name}: ${state}`);
	const [kind, text] = !server ? ["bad", "Unreachable"] : !server.ok ? ["bad", server.detail || "Not ready"] : bad.length > 0 ? ["warn", "Degraded"] : ["good", "Healthy"];
	if (box.textContent !== text) fill(box, el("i", { class: "dot " + kind, "aria-hidden": "true" }), el("span", {}, text));
	box.title = bad.join("\n");
}

function theme(name) {
	document.documentElement.dataset.theme = name;
	document.getElementById("theme").textContent = name === "dark" ? "Light" : "Dark";
	localStorage.setItem("theme", name);
}

theme(localStorage.getItem("theme") === "light" ? "light" : "dark");
document.getElementById("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
document.getElementById("help").addEventListener("click", keys.help);
document.getElementById("leave").addEventListener("click", leave);
document.getElementById("collection").addEventListener("change", (e) => { location.hash = address(parse(location.hash).view, e.target.value); });
document.querySelector(".skip").addEventListener("click", (e) => { e.preventDefault(); main.focus(); });
session.onRefused(() => { if (session.signedIn || !document.getElementById("key")) setTimeout(() => { if (!document.getElementById("key")) { open.abort(); signIn({ status: 401 }); } }); });
keys.always({
	"?": ["Show the keys", keys.help],
	"t": ["Light or dark", () => document.getElementById("theme").click()],
	...Object.fromEntries(views.map(([view, title, key]) => [`g ${key}`, [`Go to ${title}`, () => { location.hash = address(view, document.getElementById("collection").value); }]])),
});
addEventListener("hashchange", () => { if (location.hash !== current) show(); });
show();
health();
setInterval(health, 15000);
