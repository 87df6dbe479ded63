// A collection: its cases in a grid, on a map, and those that are unlike or like
// others. The address says which part is open, of what filter and in which order.
import { el, empty, fill, number, style, tabs } from "./ui.js";
import { filterChips, read, shareable } from "./filter.js";

export const title = "Collection";

const parts = [["browse", "Browse", "b"], ["map", "Map", "m"], ["unusual", "Unusual", "u"], ["duplicates", "Near-duplicates", "d"]];
const modules = { browse: "./browse.js", map: "./map.js", unusual: "./lists.js", duplicates: "./lists.js" };

export async function open(main, context) {
	await style("collection.css");
	const { collection } = context, { status } = collection;
	if (status.instances === 0) {
		fill(main, empty("The collection is empty", "Its cases come by storing images:", el("pre", { tabindex: 0 }, `nearcase ingest --collection ${context.name} FOLDER`), el("button", { type: "button", onclick: context.refresh }, "Look again")));
		return;
	}
	const params = Object.fromEntries(context.params), panel = el("div", { class: "part" }), tools = el("div", { class: "row tools" });
	let filter = read(params.filter ?? ""), showing = new AbortController(), tab = modules[params.tab] ? params.tab : "browse";
	const remember = (changes) => { Object.assign(params, changes); context.remember(params); };
	// A part is given {name, context, signal, params, filter, tools, remember, reopen,
	// refilter}; tools are for its controls.
	const show = async () => {
		showing.abort();
		showing = new AbortController();
		const signal = AbortSignal.any([context.signal, showing.signal]), at = tab;
		fill(panel);
		fill(tools);
		const module = await import(modules[at]);
		if (!signal.aborted) await module.open(panel, { name: at, context, signal, params, filter, tools, remember, reopen: (p) => { remember(p); show(); }, refilter: (f) => chips.set(f) });
	};
	const chips = filterChips(context, filter, (f) => {
		filter = f;
		remember({ filter: shareable(f) });
		show();
	});
	const list = tabs("Parts of the collection", parts, tab, (name) => { tab = name; remember({ tab: name === "browse" ? "" : name }); show(); }, panel);
	context.bind({
		f: ["Add a filter", chips.open],
		...Object.fromEntries(parts.map(([name, says, key]) => [key, [`Show ${says}`, () => list.querySelector(`#tab-${name}`).click()]])),
	});
	fill(main, el("p", { class: "muted summary" }, `${number(status.instances)} cases of ${number(status.patients)} patients, embedded by ${collection.model} in ${number(collection.dimension)} numbers each${collection.description ? ` – ${collection.description}` : ""}`), list, el("div", { class: "row top-of-part" }, chips.node, tools), panel);
	await show();
}
