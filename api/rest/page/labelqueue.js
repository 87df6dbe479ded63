// The orders in which the cases of a task come to be labelled, and where each is from.
import { collectionPath, listInstances, pages, work } from "./api.js";

// atOnce is how many cases are asked for at a time.
const atOnce = 40;

// orders are the [name, title] of all; an address holds the name.
export const orders = [
	["informative", "Most informative"], ["next", "Next unlabelled"], ["unread", "Not read by me"], ["errors", "Probable label errors"],
	["disagreements", "Readers disagree"], ["novel", "Most unusual"], ["duplicates", "Contradicting duplicates"],
];

// nothing says of an order without cases what that means and what to do.
export const nothing = {
	informative: ["Everything of this task is labelled", "Store more images, look at probable label errors, or let a second reader read them."],
	next: ["Everything of this task is labelled", "Store more images, look at probable label errors, or let a second reader read them."],
	unread: ["You have read everything of this task", "Look at where readers disagree, or at probable label errors."],
	errors: ["No label looks wrong", "The probes find no label that images of other patients speak against."],
	disagreements: ["No readers disagree", "Where several readers label an image and say different things it comes here."],
	novel: ["Nothing is unusual", "There is no image here to look at."],
	duplicates: ["No duplicates contradict each other", "Near-identical images all have the same labels."],
};

const lists = {
	next: (q) => ({ task: q.task, labelled: false }),
	unread: (q) => ({ not: { task: q.task, reader: q.reader === "" ? [""] : ["", q.reader] } }),
	disagreements: (q) => ({ task: q.task, conflicting: true }),
};
const reviews = {
	informative: (q) => ({ kinds: ["uncertain", "diverse"], filter: lists.next(q) }),
	errors: () => ({ kinds: ["label_errors"] }),
	novel: () => ({ kinds: ["novel"] }),
	duplicates: () => ({ kinds: ["duplicates"] }),
};

// queue resolves with {items, note}: the first cases of an order, as {id, reason}, that
// are not in q.seen, and what is to be known of the order. q is {name, task, reader,
// seen, signal, told}, of which told hears of the job that makes it.
export async function queue(order, q) {
	if (order in lists) return { items: await first(lists[order](q), q), note: "" };
	const made = await reviewed(order, q);
	if (made.items.length > 0 || order !== "informative") return made;
	return { items: await first(lists.next(q), q), note: made.note && "In the order of storing: " + made.note };
}

async function first(filter, q) {
	const items = [];
	for await (const page of pages((cursor) => listInstances(q.name, { filter, limit: 100, cursor }, q.signal))) {
		items.push(...(page.instances ?? []).filter((i) => !q.seen.has(i.id)).map((i) => ({ id: i.id, reason: "" })));
		if (items.length >= atOnce) break;
	}
	return items.slice(0, atOnce);
}

async function reviewed(order, q) {
	const limit = Math.min(10000, atOnce + q.seen.size);
	const review = await work(collectionPath(q.name, "review"), { body: { task: q.task, limit, ...reviews[order](q) }, signal: q.signal, told: q.told });
	const made = review.lists ?? [], best = made.find((l) => !l.problem) ?? made[0];
	const items = distinct((best?.items ?? []).flatMap((item) => images(item, q.task))).filter((i) => !q.seen.has(i.id));
	const why = made[0]?.problem ?? "";
	const note = why && best !== made[0] ? `Images least like what is labelled come first: ${why}` : why;
	return { items: items.slice(0, atOnce), note };
}

// images are an item's own, or those of a group that contradicts itself.
function images(item, task) {
	if (item.kind !== "duplicates") return [{ id: item.id, reason: item.reason }];
	return item.contradicts?.includes(task) ? item.group.map((g) => ({ id: g.id, reason: item.reason })) : [];
}

// distinct joins the reasons of one image into one.
function distinct(items) {
	const by = new Map();
	for (const i of items) {
		const had = by.get(i.id);
		if (!had) by.set(i.id, i);
		else if (!had.reason.includes(i.reason)) had.reason += "; " + i.reason;
	}
	return [...by.values()];
}

// progress resolves with how many instances have a label for the task, and all.
export async function progress(name, task, signal) {
	const count = async (filter) => (await listInstances(name, { filter, limit: 1, count: true }, signal)).count ?? 0;
	const [labelled, all] = await Promise.all([count({ task, labelled: true }), count()]);
	return { labelled, all };
}
