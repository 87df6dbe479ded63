#!/usr/bin/env python3
"""Stores images on a nearcase server, labels one and asks about it.

    nearcase.py http://127.0.0.1:8417 cases a.png b.dcm c.jpeg

It needs nothing but requests (Debian: python3-requests). An API key is taken from
the environment variable NEARCASE_KEY.
"""
import argparse
import base64
import json
import os
import pathlib
import random
import time
import uuid

import requests


class Server:
    """A nearcase server. Every method raises for an answer that is an error."""

    def __init__(self, url, key=None):
        self.url = url.rstrip("/") + "/v1/collections"
        self.session = requests.Session()  # which keeps its connections
        if key:
            self.session.headers["Authorization"] = "Bearer " + key

    def ask(self, method, path, **more):
        """Sends a request, again while the server is too busy, and returns its JSON."""
        for attempt in range(6):
            answer = self.session.request(method, self.url + path, timeout=(10, 600), **more)
            if answer.status_code not in (429, 503) or "Retry-After" not in answer.headers:
                break
            time.sleep(int(answer.headers["Retry-After"]) + random.random() * 2**attempt / 4)
        if answer.ok:
            return answer.json()
        problem = answer.json()  # RFC 9457
        raise RuntimeError(f"{problem['title']}: {problem.get('detail', '')} (request {problem.get('request_id')})")

    def create(self, name, model="scatter", tasks=()):
        return self.ask("POST", "", json={"name": name, "model": model, "tasks": list(tasks)})

    def store(self, name, images):
        """Stores many images, each a dictionary of a line of a batch. The key makes it
        safe to send the same batch again when a connection is lost."""
        lines = "".join(json.dumps(image) + "\n" for image in images)
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": str(uuid.uuid4())}
        return self.ask("POST", f"/{name}/instances", data=lines.encode(), headers=headers)

    def label(self, name, instance, task, *classes):
        labels = [{"instance": instance, "task": task, "classes": list(classes), "source": "nearcase.py"}]
        return self.ask("POST", f"/{name}/labels", json={"labels": labels})

    def similar(self, name, **query):
        return self.ask("POST", f"/{name}/similar", json=query)["cases"]

    def similar_to_image(self, name, image, **query):
        parts = {"query": (None, json.dumps(query), "application/json"), "image": ("image", image)}
        return self.ask("POST", f"/{name}/similar", files=parts)["cases"]


def line(path, patient=""):
    """Says of a file what a batch has to know of it."""
    image = base64.b64encode(pathlib.Path(path).read_bytes()).decode()
    return {"image": image, "patient": patient, "name": pathlib.Path(path).name}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("server")
    arguments.add_argument("collection")
    arguments.add_argument("images", nargs="+")
    arguments.add_argument("--model", default="scatter")
    given = arguments.parse_args()

    server = Server(given.server, os.environ.get("NEARCASE_KEY"))
    server.create(given.collection, given.model, [{"name": "finding", "classes": ["normal", "other"]}])
    stored = server.store(given.collection, [line(path, f"p{n}") for n, path in enumerate(given.images)])
    for item in stored["items"]:
        print(item.get("id", "-"), item["status"], item.get("problem", {}).get("detail", ""))
    first = next(item["id"] for item in stored["items"] if "problem" not in item)
    print("labelled:", server.label(given.collection, first, "finding", "normal")["labels"])
    for case in server.similar(given.collection, instance=first, k=5):
        print(f"{case['score']:.3f} {case['id']} {case.get('name', '')}")
    image = pathlib.Path(given.images[0]).read_bytes()
    print("nearest to the first image:", len(server.similar_to_image(given.collection, image, k=3, same_patient=True)))


if __name__ == "__main__":
    main()
