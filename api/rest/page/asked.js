// What is asked about, and the asking. A subject is one of
//
//	{kind: "stored", id, instance}        an instance of the collection
//	{kind: "files", files, at, patient}   images that are not stored, asked one by one
//	{kind: "text", text}                  words, of a model with a text tower
//	{kind: "examples"}                    what is like and unlike alone
//
// and a question is what the address says beside it: k, level, group, min, filter,
// like, unlike, task and frame: the one that is shown of what is stored, and the one that
// asks of a file.
import { ask, collectionPath, pause, session } from "./api.js";
import { read as readFilter, shareable } from "./filter.js";
import { form } from "./pictures.js";

// Subjects that have no place in an address are in this tab's memory, the last few, so
// that Back finds them; none is left when somebody signs out.
const most = 4;
const kept = new Map(); // by a token that no other tab and no other time has

export function keep(subject) {
	const token = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
	kept.set(token, subject);
	if (kept.size > most) kept.delete(kept.keys().next().value);
	return token;
}
export const found = (token) => kept.get(token);
session.onRefused(() => kept.clear());
session.onLeft(() => kept.clear());

// read makes a question of an address.
export function read(params) {
	const text = (name) => params.get(name) ?? "", list = (name) => params.getAll(name).filter(Boolean);
	const k = Number(params.get("k")), min = Number(params.get("min"));
	return {
		instance: text("instance"), upload: text("upload"), task: text("task"), level: text("level"), group: text("group"),
		k: Number.isInteger(k) && k > 0 && k <= 1000 ? k : 0, min: min > 0 && min <= 1 ? min : 0,
		frame: Number(params.get("frame")) || 0, like: list("like"), unlike: list("unlike"), filter: readFilter(params.get("filter")),
	};
}

// write is read's inverse. What could name a person is left out of the filters.
export function write(q) {
	const params = new URLSearchParams();
	const filter = shareable(q.filter);
	for (const name of ["instance", "upload", "task", "level", "group", "k", "min", "frame"]) if (q[name]) params.set(name, q[name]);
	for (const name of ["like", "unlike"]) for (const id of q[name]) params.append(name, id);
	if (filter) params.set("filter", filter);
	return params;
}

function common(q, subject) {
	return { frame: subject.kind === "files" && q.frame || undefined, k: q.k || undefined, level: q.level || undefined, filter: q.filter, min_score: q.min || undefined };
}

// similar asks for the cases like a subject, as examples refine it.
export function similar(name, subject, q, signal) {
	const body = { ...common(q, subject), group_by: q.group || undefined, like: q.like.length > 0 ? q.like : undefined, unlike: q.unlike.length > 0 ? q.unlike : undefined };
	return send(collectionPath(name, "similar"), subject, body, signal);
}

// classify asks what the labels say of a subject itself, without the examples, whose
// mixture no calibration is of.
export function classify(name, subject, q, signal) {
	return send(collectionPath(name, "classify"), subject, { ...common(q, subject), group_by: q.group || undefined }, signal);
}

// firstVersions waits for what an answer is without: first versions of probes, and what
// is made with one, how unusual images are. It resolves with true once there is something
// that followed does not have yet, and notes it there; with false if nothing is to come.
// waiting(tasks) hears whose versions are waited for.
export async function firstVersions(name, answer, followed, signal, waiting) {
	const tasks = (answer.tasks ?? []).filter((t) => !t.refused), novelty = Boolean(answer.novelty?.problem);
	const lacking = new Set(tasks.filter((t) => !t.softmax?.version).map((t) => t.task));
	if (lacking.size === 0 && !novelty) return false;
	const running = new Set();
	for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
		const probes = (await ask("GET", collectionPath(name, "probes"), { signal })).probes.filter((p) => tasks.some((t) => t.task === p.task));
		const made = probes.filter((p) => p.answering && !p.running && (lacking.has(p.task) || running.has(p.task)) && !followed.has(`${p.task} ${p.answering}`));
		if (made.length > 0) {
			for (const p of made) followed.add(`${p.task} ${p.answering}`);
			return true;
		}
		const coming = probes.filter((p) => (lacking.has(p.task) ? p.running || p.due && !p.answering : p.running && novelty));
		if (coming.length === 0) return false;
		for (const p of coming) if (p.running) running.add(p.task);
		waiting(coming.map((p) => p.task).filter((task) => lacking.has(task)));
		await pause(wait, signal);
	}
}

function send(path, subject, body, signal) {
	switch (subject.kind) {
	case "stored": return ask("POST", path, { body: { ...body, instance: subject.id }, signal });
	case "text": return ask("POST", path, { body: { ...body, text: subject.text }, signal });
	case "files": return ask("POST", path, { body: form(subject.files[subject.at], { ...body, patient: subject.patient || undefined }), signal });
	}
	return ask("POST", path, { body, signal });
}

// knowsWords tells whether the collection's model has a text tower. Nothing of the
// contract says so; a text and an instance asked together are answered in part where
// it has none.
export async function knowsWords(collection, instance, signal) {
	if (!words.has(collection.fingerprint)) {
		const queries = [{ instance, k: 1, fields: ["frame"] }, { text: "image", k: 1, fields: ["frame"] }];
		const answer = await ask("POST", collectionPath(collection.name, "similar", "batch"), { body: { queries }, signal });
		words.set(collection.fingerprint, answer.items[1].status === "answered");
	}
	return words.get(collection.fingerprint);
}
const words = new Map(); // by fingerprint
