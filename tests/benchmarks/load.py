"""How much the server makes under load: python -m tests.benchmarks.load [--url URL] [--clients 1 10 100]

Serves the page itself unless it is told where one is, then lets so many clients ask as fast as they are answered,
a part of them as the page does, by API and by MCP (--kinds), and one more look at `/` all the while.
Prints a line a number of clients: morphs a second, median and 95th percentile of their seconds, what was refused
and with which sentence, and the same of `/`. A client that is refused waits as long as it is told to, or 2 seconds.
The clients take a part of the processor as well: compare figures of one machine only, and leave it idle.
With --check the command ends with 1 where something else than a morph or a sentence came, the answer to another
request, no morph at all, or no `/`: as CI asks, which knows nothing of speed.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import secrets
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, task
from locust.env import Environment

from tests.fuzz.values import check_sentence
from tests.serving import await_health, free_port
from vae.ui.messages import NEUTRAL

API = "/gradio_api"
STEPS, SIZE = 60, 256  # of a morph; the page asks for no size
RETRY = re.compile(r"in about (\d+) seconds?")
ANOTHERS = "the answer to another request"  # in place of a refusal


class Client(FastHttpUser):
    """Asks for one morph after the other; what it asks for differs from call to call, so that nothing is kept."""

    abstract = True
    network_timeout = connection_timeout = 120.0

    def numbers(self) -> tuple[str, str]:
        return str(random.randrange(10, 100)), str(random.randrange(10, 100))

    def done(self, name: str, started: float, answer: str, made: bool, own: bool) -> None:
        """Count a morph, which is the `own` one or another's, or a refusal; who was refused waits."""
        sentence = refusal_in(answer) if not made else "" if own else ANOTHERS
        made &= own
        self.environment.events.request.fire(
            request_type="morph",
            name=name,
            response_time=1000 * (time.monotonic() - started),
            response_length=len(answer),
            exception=None if made else RuntimeError(sentence),
            context={},
        )
        if not made:
            found = RETRY.search(sentence)
            gevent.sleep(float(found[1]) if found else 2)


def refusal_in(answer: str) -> str:
    """The sentence in a refusal, its numbers left out of the way of counting."""
    for key in ('"error": "', '"detail": "', '"error":"', '"text":"', '"text": "'):
        if key in answer:
            return answer.split(key, 1)[1].split('"', 1)[0]
    return answer[:80] or "nothing"


class ByApi(Client):
    @task
    def morph(self) -> None:
        started, (source, target) = time.monotonic(), self.numbers()
        values = [source, target, STEPS, 0, "auto", "turn", 30, SIZE, "ink", "once", "mp4"]
        with self.client.post(f"{API}/call/morph_numbers", json={"data": values}, catch_response=True) as asked:
            asked.success()
            text = asked.text or ""
        if asked.status_code == 200:
            event = json.loads(text)["event_id"]
            with self.client.get(f"{API}/call/morph_numbers/{event}", name="result", catch_response=True) as answer:
                answer.success()
                text = answer.text or ""
        self.done("api", started, text, "event: complete" in text, f"/{source}-to-{target}.mp4" in text)


class ByPage(Client):
    @task
    def morph(self) -> None:
        started, (source, target) = time.monotonic(), self.numbers()
        body = page_body(source, target, STEPS, random.randrange(10**6))
        headers = {"x-digit-morph-page": secrets.token_hex(6)}
        with self.client.post("/page/morph", json=body, headers=headers, catch_response=True) as answer:
            answer.success()
            text = answer.text or ""
        numbers = re.findall(r'"number": ?"(\d+)"', text)
        self.done("page", started, text, '"film"' in text, numbers == [source, target])


class ByMcp(Client):
    @task
    def morph(self) -> None:
        started, (source, target) = time.monotonic(), self.numbers()
        arguments = {"source": source, "target": target, "steps": STEPS, "size": SIZE}
        call = {"name": "morph_numbers", "arguments": arguments}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        accept = {"accept": "application/json, text/event-stream"}
        with self.client.post(f"{API}/mcp/", json=body, headers=accept, catch_response=True) as answer:
            answer.success()
            text = answer.text or ""
        self.done("mcp", started, text, ".mp4" in text, f"/{source}-to-{target}.mp4" in text)


class Onlooker(FastHttpUser):
    """Opens the page twice a second."""

    fixed_count = 1

    @task
    def look(self) -> None:
        self.client.get("/", name="/")
        gevent.sleep(0.5)


KINDS: dict[str, type[Client]] = {"api": ByApi, "page": ByPage, "mcp": ByMcp}


def page_body(source: str, target: str, steps: int, seed: int = 0) -> dict[str, Any]:
    """What the page sends for two typed numbers."""
    options = {"steps": steps, "path": "auto", "speed": "turn", "seed": seed, "hand": "own"}
    return {"source": {"number": source}, "target": {"number": target}, "via": "", **options}


def load(url: str, kinds: list[str], clients: int, seconds: float) -> dict[str, Any]:
    """So many clients for so long; what came of it."""
    users = [KINDS[kind] for kind in kinds]
    environment = Environment(user_classes=[*users, Onlooker], host=url)
    refusals: Counter[str] = Counter()

    def count(exception: Exception | None = None, request_type: str = "", **_: Any) -> None:
        if exception and request_type == "morph":
            refusals[re.sub(r"\d+", "N", str(exception))] += 1

    environment.events.request.add_listener(count)
    runner = environment.create_local_runner()
    runner.start(clients + 1, spawn_rate=clients + 1)
    gevent.sleep(min(5, seconds / 4))  # until all have begun
    environment.stats.reset_all()
    refusals.clear()
    started = time.monotonic()
    gevent.sleep(seconds)
    elapsed = time.monotonic() - started
    entries = {name: environment.stats.get(name, "morph") for name in kinds}
    page = environment.stats.get("/", "GET")
    made = sum(entry.num_requests - entry.num_failures for entry in entries.values())
    quick = sum(refusals.values())
    found = {
        "clients": clients,
        "kinds": kinds,
        "morphs/s": round(made / elapsed, 2),
        "made": {name: entry.num_requests - entry.num_failures for name, entry in entries.items()},
        "median s": {name: entry.median_response_time / 1000 for name, entry in entries.items()},
        "p95 s": {name: (entry.get_response_time_percentile(0.95) or 0) / 1000 for name, entry in entries.items()},
        "refused/s": round(quick / elapsed, 2),
        "refusals": dict(refusals),
        "/ p95 s": (page.get_response_time_percentile(0.95) or 0) / 1000,
        "/ failed": page.num_failures,
    }
    runner.quit()
    return found


def faults_in(found: dict[str, Any]) -> list[str]:
    """What no number of clients excuses."""
    faults = [f"{count} times: {said}" for said, count in found["refusals"].items() if not is_sentence(said)]
    faults += [f"/ failed {found['/ failed']} times"] if found["/ failed"] else []
    return faults + ([] if any(found["made"].values()) else ["no morph was made"])


def is_sentence(text: str) -> bool:
    try:
        check_sentence(text)
    except AssertionError:
        return False
    return text != NEUTRAL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="of a page that is served already")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 10, 30, 100])
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--check", action="store_true", help="end with 1 where something is wrong")
    options = parser.parse_args()
    url, server, faults = options.url, None, []
    if url is None:
        port = free_port()
        url, root = f"http://127.0.0.1:{port}", Path(__file__).parents[2]
        server = subprocess.Popen([sys.executable, "app.py", "--port", str(port)], cwd=root, stderr=subprocess.DEVNULL)
        await_health(server, f"{url}/healthz")
    try:
        for clients in options.clients:
            print(json.dumps(found := load(url, options.kinds, clients, options.seconds)), flush=True)
            faults += faults_in(found)
    finally:
        if server:
            server.terminate()
    if options.check and faults:
        sys.exit("\n".join(["what should not be:", *faults]))


if __name__ == "__main__":
    main()
