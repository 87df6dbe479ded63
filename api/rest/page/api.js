// Asking the server. The API key is kept in this module's memory alone: it is in
// no URL, no storage and no cookie, and gone with the tab.

let key = "";
const left = new Set(); // told when the server wants a key

export const session = {
	get signedIn() { return key !== ""; },
	signIn(token) { key = token.trim(); forget(); },
	signOut() { key = ""; forget(); },
	onRefused(tell) { left.add(tell); },
};

// Problem is a refusal of the server, as its problem document (RFC 9457) says it.
// Status 0 is a server that cannot be reached.
export class Problem extends Error {
	constructor(status, document) {
		super(document.detail || document.title || `the server answered ${status}`);
		this.status = status;
		this.title = document.title || "The request failed";
		this.detail = document.detail || "";
		this.code = document.code || "";
		this.errors = document.errors || [];
	}
}

// collectionPath is the path of a collection's part, each name escaped:
// collectionPath("cxr", "instances", id).
export const collectionPath = (...parts) => "/v1/collections/" + parts.map(encodeURIComponent).join("/");

// respond asks and returns the response of a 2xx, or throws a Problem; an aborted
// request throws an AbortError. Query values that are "" or undefined are left out,
// lists are repeated. A body that is no FormData, Blob or string is sent as JSON.
export async function respond(method, path, { query = {}, body, signal, headers = {} } = {}) {
	const search = new URLSearchParams();
	for (const [name, value] of Object.entries(query)) {
		for (const one of [value].flat()) if (one !== undefined && one !== null && one !== "") search.append(name, one);
	}
	const sent = { ...headers };
	if (key) sent.Authorization = "Bearer " + key;
	if (body !== undefined && !(body instanceof FormData) && !(body instanceof Blob) && typeof body !== "string") {
		body = JSON.stringify(body);
		sent["Content-Type"] = "application/json";
	}
	let answer;
	try {
		answer = await fetch(path + (search.size ? "?" + search : ""), { method, body, signal, headers: sent, cache: "no-cache", credentials: "omit", referrerPolicy: "no-referrer" });
	} catch (err) {
		if (err.name === "AbortError") throw err;
		throw new Problem(0, { title: "The server cannot be reached", detail: "It may be restarting, or the network is down." });
	}
	if (answer.ok) return answer;
	const document = await answer.json().catch(() => ({}));
	if (answer.status === 401) for (const tell of left) tell();
	throw new Problem(answer.status, document);
}

// ask is respond for JSON; null where the answer is empty.
export async function ask(method, path, options) {
	const answer = await respond(method, path, options);
	if (answer.status === 204) return null;
	return answer.json();
}

// pages yields the answers of a list page by page, from ask(cursor).
export async function* pages(next) {
	for (let cursor = ""; ;) {
		const page = await next(cursor);
		yield page;
		if (!(cursor = page.next)) return;
	}
}

// work runs a long operation in the background and resolves with its result.
// told(job) hears, a few times a second, how far the job is as the contract
// describes one: state, stage, done and total. An aborted signal asks the job to end.
export async function work(path, { query = {}, body, signal, told = () => {} } = {}) {
	let job = await ask("POST", path, { query: { ...query, background: true }, body, signal });
	const end = () => ask("DELETE", "/v1/jobs/" + encodeURIComponent(job.id)).catch(() => {});
	signal?.addEventListener("abort", end, { once: true });
	try {
		for (; ;) {
			job = await ask("GET", "/v1/jobs/" + encodeURIComponent(job.id), { signal });
			told(job);
			if (job.state !== "running" && job.state !== "queued") break;
			await pause(300, signal);
		}
	} finally {
		signal?.removeEventListener("abort", end);
	}
	if (job.state !== "done") throw new Problem(job.problem?.status ?? 0, job.problem ?? { title: `The job is ${job.state}` });
	if (job.result_dropped) throw new Problem(410, { title: "The result is gone", detail: "What it told of has been erased, or it was too large to be kept." });
	return job.result;
}

// pause resolves after a time in milliseconds, or throws the signal's AbortError.
export function pause(time, signal) {
	return new Promise((resolve, reject) => {
		const timer = setTimeout(resolve, time);
		signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
	});
}

// Pictures are fetched with the key and shown as object URLs, at most so many at
// a time and kept, the longest unused going first.
const maxPictures = 400, maxAtOnce = 6;
const pictures = new Map(); // path to {url, used} or {waiting}
const queue = [];
let busy = 0, asker = 0; // who asks changes with the key

function forget() {
	asker++;
	for (const p of pictures.values()) if (p.url) URL.revokeObjectURL(p.url);
	pictures.clear();
}

// picture resolves with an object URL of the image at path. Do not revoke it. An
// aborted signal lets go of one that has not begun.
export function picture(path, signal) {
	const had = pictures.get(path);
	if (had?.url) {
		pictures.delete(path);
		pictures.set(path, had);
		return Promise.resolve(had.url);
	}
	return new Promise((resolve, reject) => {
		queue.push({ path, signal, resolve, reject });
		drain();
	});
}

async function drain() {
	if (busy >= maxAtOnce || queue.length === 0) return;
	const { path, signal, resolve, reject } = queue.shift();
	if (signal?.aborted) {
		reject(signal.reason);
		return drain();
	}
	busy++;
	const by = asker;
	try {
		const had = pictures.get(path);
		const blob = had?.url ? null : await (await respond("GET", path, { signal })).blob();
		if (by !== asker) throw new DOMException("the key was given up meanwhile", "AbortError");
		resolve(had?.url ?? keep(path, blob));
	} catch (err) {
		reject(err);
	} finally {
		busy--;
		drain();
	}
}

function keep(path, blob) {
	const url = URL.createObjectURL(blob);
	pictures.set(path, { url });
	while (pictures.size > maxPictures) {
		const [oldest, { url: gone }] = pictures.entries().next().value;
		pictures.delete(oldest);
		URL.revokeObjectURL(gone);
	}
	return url;
}

// download saves what the server answers under a name of ours.
export async function download(method, path, name, options) {
	save(await (await respond(method, path, options)).blob(), name);
}

// save hands a Blob or text to the browser as a file.
export function save(content, name, type = "text/plain") {
	const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
	const a = document.createElement("a");
	a.href = url;
	a.download = name;
	a.click();
	setTimeout(() => URL.revokeObjectURL(url), 60000);
}
