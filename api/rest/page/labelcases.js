// Cases on their way to be labelled: fetched before they are looked at, so that the
// next one is there at once.
import { ask, collectionPath } from "./api.js";
import { storedPicture } from "./pictures.js";

// Cases loads cases of a collection until signal ends it.
export class Cases {
	constructor(name, signal) {
		Object.assign(this, { name, signal, early: new Map() });
		signal.addEventListener("abort", () => this.forget(), { once: true });
	}

	// expect fetches a case before it is wanted, and lets go of another that was not.
	expect(id) {
		if (!id || this.early.has(id)) return;
		this.forget();
		const loading = this.load(id);
		loading.catch(() => {});
		this.early.set(id, loading);
	}

	// take resolves with {instance, history, source} of a case when its first picture has
	// come, or cannot: nobody is to label what cannot be seen yet.
	take(id) {
		const had = this.early.get(id);
		this.early.delete(id);
		return had ?? this.load(id);
	}

	forget() {
		for (const loading of this.early.values()) loading.then(({ source }) => source.drop(), () => {});
		this.early.clear();
	}

	async load(id) {
		const { instance, history } = await this.read(id);
		const source = this.begun(storedPicture(this.name, instance));
		await source.come;
		return { instance, history, source };
	}

	async read(id) {
		const path = collectionPath(this.name, "instances", id), { signal } = this;
		const [instance, { history }] = await Promise.all([ask("GET", path, { signal }), ask("GET", path + "/history", { signal })]);
		return { instance, history };
	}

	// begun is a source whose first picture is fetched at once.
	begun(source) {
		let first = source.load({ frame: source.frame > 1 ? source.frame : "" }, this.signal);
		return {
			...source,
			come: first.catch(() => {}),
			load: (view, signal) => {
				const had = first, plain = !view.window && !view.levels && (view.frame || 1) === source.frame;
				first = null;
				return had && plain ? had : source.load(view, signal);
			},
			drop: () => first?.then(({ url }) => URL.revokeObjectURL(url), () => {}),
		};
	}
}
