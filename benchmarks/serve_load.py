"""Several users at one server: latency, errors, lost edits and memory.

Starts `radsam serve` on a phantom in a temporary folder, and several clients work in it at once over
loopback: previews, propagations, corrections, undo. Afterwards every session must hold exactly the edits that
the server reported as done. Ends after a bounded number of prompts::

    python benchmarks/serve_load.py --users 4 --prompts 200
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from radsam.data.adapters.phantom import make_phantom
from radsam.io.volume_write import write_volume

ORGANS = ("liver", "spleen", "kidney_right", "kidney_left")
#: Longest run in seconds.
MOST_SECONDS = 900.0


@dataclass
class Tally:
    """Measurements of one user."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    prompts: int = 0
    done: list[str] = field(default_factory=list)
    lost: int = 0


class User(threading.Thread):
    """Draws boxes and corrects them, one prompt after the other."""

    def __init__(self, number: int, url: str, token: str, targets: list[dict], prompts: int, think: float) -> None:
        super().__init__(daemon=True)
        self.tally = Tally()
        self._random = random.Random(number)
        self._targets, self._prompts, self._think = targets, prompts, think
        self._client = httpx.Client(
            base_url=url, timeout=120, trust_env=False, headers={"authorization": f"Bearer {token}"}
        )
        self._session = ""
        self._ended: dict[str, str] = {}
        self._news = threading.Condition()

    def run(self) -> None:
        """Work until the prompts are used up."""
        (volume,) = self._request("volumes", "GET", "/api/volumes")
        self._session = self._request("open", "POST", "/api/sessions", {"volume": volume["id"]})["id"]
        threading.Thread(target=self._listen, daemon=True).start()
        until = time.monotonic() + MOST_SECONDS
        number = 0
        while self.tally.prompts < self._prompts and time.monotonic() < until:
            target = self._targets[number % len(self._targets)]
            name = f"{target['name']} {number // len(self._targets)}"
            number += 1
            self._preview(target)
            if self._run_edit("segment", {"name": name, "plane": "axial"} | target["prompt"]):
                self.tally.done.append(name)
                for _ in range(2):
                    if self.tally.prompts < self._prompts:
                        point = {"point": self._random.choice(target["points"]), "positive": True}
                        self._run_edit("correct", {"name": name, "points": [point]})
            if self._random.random() < 0.1 and self._request("undo", "POST", self._url("/undo")):
                self._request("redo", "POST", self._url("/redo"))
        state = self._request("state", "GET", self._url())
        self.tally.lost = len(set(self.tally.done) - {each["name"] for each in state["objects"]})

    def _preview(self, target: dict) -> None:
        self.tally.prompts += 1
        prompt = target["prompt"]["prompt"]
        for what in ("preview, slice not encoded", "preview, slice encoded"):
            self._request(what, "POST", self._url("/preview"), {"plane": "axial", "prompt": prompt})
            time.sleep(self._think)

    def _run_edit(self, what: str, body: dict) -> bool:
        self.tally.prompts += 1
        started = time.monotonic()
        job = self._request(f"{what}, accepted", "POST", self._url(f"/{what}"), body)
        if job is None:
            return False
        with self._news:
            self._news.wait_for(lambda: job["job"] in self._ended, timeout=MOST_SECONDS)
            end = self._ended.get(job["job"], "no event of its end")
        self._note(f"{what}, saved", time.monotonic() - started)
        if end != "ended":
            self.tally.errors.append(f"{what}: {end}")
        time.sleep(self._think)
        return end == "ended"

    def _request(self, what: str, method: str, url: str, body: object = None) -> dict | None:
        started = time.monotonic()
        try:
            response = self._client.request(method, url, json=body)
        except httpx.HTTPError as error:
            self.tally.errors.append(f"{what}: {error!r}")
            return None
        self._note(what, time.monotonic() - started)
        if response.status_code >= 400:
            self.tally.errors.append(f"{what}: {response.status_code} {response.text[:200]}")
            return None
        return response.json()

    def _listen(self) -> None:
        event = ""
        with self._client.stream("GET", self._url("/events"), timeout=None) as response:
            for line in response.iter_lines():
                key, _, value = line.partition(": ")
                if key == "event":
                    event = value
                elif key == "data" and event in ("ended", "failed", "cancelled"):
                    with self._news:
                        data = json.loads(value)
                        self._ended[data["job"]] = event if event != "failed" else f"failed: {data['message']}"
                        self._news.notify_all()

    def _url(self, rest: str = "") -> str:
        return f"/api/sessions/{self._session}{rest}"

    def _note(self, what: str, seconds: float) -> None:
        self.tally.seconds.setdefault(what, []).append(seconds)


def targets_of(truth: np.ndarray, name: str) -> dict:
    """Return the prompt of an organ, and points inside it."""
    areas = truth.sum(axis=(1, 2))
    k = int(areas.argmax())
    rows, cols = np.nonzero(truth[k])
    slices = np.flatnonzero(areas)
    low, high = max(int(slices[0]), k - 3), min(int(slices[-1]), k + 3)
    box = {"k": k, "i0": int(cols.min()), "j0": int(rows.min()), "i1": int(cols.max()), "j1": int(rows.max())}
    inside = np.argwhere(truth[low : high + 1])[:: max(1, int(truth[low : high + 1].sum()) // 50)]
    points = [[int(i), int(j), int(kk) + low] for kk, j, i in inside]
    return {"name": name, "prompt": {"prompt": {"box": box}, "bounds": [low, high]}, "points": points}


def peak_mb(process: int) -> float:
    """Return the largest memory that a process had, in MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return float(found[1]) / 1000 if found else float("nan")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=4)
    parser.add_argument("--prompts", type=int, default=200, help="prompts of all users together")
    parser.add_argument("--think", type=float, default=0.3, help="seconds that a user waits between two requests")
    parser.add_argument("--model", default=None, help="weights bundle; the default one if left out")
    args = parser.parse_args()
    phantom = make_phantom()
    targets = [targets_of(phantom.mask(name), name) for name in ORGANS]
    with tempfile.TemporaryDirectory() as folder:
        ct, state = Path(folder) / "ct.nii.gz", Path(folder) / "state"
        write_volume(phantom.volume, ct)
        radsam = [sys.executable, "-m", "radsam"]
        tokens = [
            subprocess.run(
                [*radsam, "tokens", "add", f"user{number}", "--state", state],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.strip()
            for number in range(args.users)
        ]
        line = [*radsam, "serve", str(ct), "--no-browser", "--port", "0", "--state", str(state)]
        line += [] if args.model is None else ["--model", args.model]
        # A cache of its own: embeddings of an earlier run would make this one faster.
        environment = os.environ | {"RADSAM_CACHE": str(Path(folder) / "cache")}
        server = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            url = re.search(r"http://\S+/", server.stdout.readline())[0]  # type: ignore[index, union-attr]
            at_start = peak_mb(server.pid)
            started = time.monotonic()
            users = [
                User(number, url, token, targets[number:] + targets[:number], args.prompts // args.users, args.think)
                for number, token in enumerate(tokens)
            ]
            for user in users:
                user.start()
            for user in users:
                user.join(MOST_SECONDS + 300)
            took, peak = time.monotonic() - started, peak_mb(server.pid)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
    report([user.tally for user in users], took, at_start, peak)


def report(tallies: list[Tally], took: float, at_start: float, peak: float) -> None:
    """Print percentiles per kind of request, and what went wrong."""
    print(f"{len(tallies)} users, {sum(each.prompts for each in tallies)} prompts in {took:.0f} s")
    print(f"{'seconds':32}{'n':>6}{'p50':>9}{'p90':>9}{'p99':>9}{'max':>9}")
    for what in sorted({what for each in tallies for what in each.seconds}):
        seconds = np.array([value for each in tallies for value in each.seconds.get(what, [])])
        p50, p90, p99 = np.percentile(seconds, (50, 90, 99))
        print(f"{what:32}{seconds.size:6}{p50:9.3f}{p90:9.3f}{p99:9.3f}{seconds.max():9.3f}")
    errors = [error for each in tallies for error in each.errors]
    print(f"errors: {len(errors)}; lost edits: {sum(each.lost for each in tallies)}")
    print(f"memory of the server: {at_start:.0f} MB at the start, {peak:.0f} MB at most")
    for error in errors[:10]:
        print("  " + error)
    if errors or any(each.lost for each in tallies):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
