"""A visitor of the laboratory without a browser: speaks Bokeh's protocol, well or badly."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

LONG = 600.0  # seconds: a loaded machine is slow, a broken server never answers


AsyncHTTPClient.configure(None, max_clients=100)
OPEN: set[Client] = set()  # who has entered and not left


async def fetch(url: str) -> str:
    """A page, as text."""
    answer = await AsyncHTTPClient().fetch(HTTPRequest(url, request_timeout=LONG))
    return answer.body.decode()


class Client:
    """One open page: `state` is what the page was last told, `said` every answer's numbers."""

    def __init__(self, address: str, path: str):
        self.address, self.path = address, path
        self.state: dict[str, Any] = {}
        self.ids: dict[str, str] = {}
        self.frames = self.errors = 0
        self.closed = False
        self.speaking = asyncio.Lock()  # frames of two messages must not mix
        self.replies: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    async def enter(self, origin: str | None = None) -> Client:
        """Loads the page and its document, as a browser does."""
        page = await fetch(self.address + self.path)
        token = re.search(r'"token":"([^"]+)"', page)
        assert token, page[:300]
        url = f"{self.address.replace('http', 'ws')}{self.path.partition('?')[0]}/ws"
        request = HTTPRequest(url, headers={"Origin": origin or self.address},
                              connect_timeout=LONG, request_timeout=LONG)  # fmt: skip
        self.line: WebSocketClientConnection = await websocket_connect(
            request, subprotocols=["bokeh", token[1]], max_message_size=1 << 30
        )
        self.listening = asyncio.create_task(self._listen())
        OPEN.add(self)
        kind, _ = await asyncio.wait_for(self.replies.get(), LONG)
        assert kind == "ACK"
        await self.send("PULL-DOC-REQ", {})
        kind, content = await asyncio.wait_for(self.replies.get(), LONG)
        assert kind == "PULL-DOC-REPLY", content
        return self

    async def leave(self) -> None:
        """Closes the page."""
        OPEN.discard(self)
        self.line.close()
        self.listening.cancel()
        await asyncio.gather(self.listening, return_exceptions=True)

    # ---------------------------------------------------------------- what is said
    async def send(self, kind: str, content: Any) -> None:
        """A message of the protocol: three frames."""
        header = {"msgid": f"{id(self)}-{time.monotonic_ns()}", "msgtype": kind}
        async with self.speaking:
            for part in (header, {}, content):
                await self.line.write_message(json.dumps(part))

    async def set(self, model: str, attribute: str, value: Any) -> None:
        """Sets a property of a model of the page: by its name, or "wire"."""
        await self.patch({"kind": "ModelChanged", "model": {"id": self.ids[model]},
                          "attr": attribute, "new": value})  # fmt: skip

    async def patch(self, *events: Any) -> None:
        await self.send("PATCH-DOC", {"events": list(events)})

    async def act(self, what: str) -> None:
        """A button."""
        await self.set("wire", "asked", json.dumps({"what": what, "at": time.monotonic()}))

    # ---------------------------------------------------------------- what is heard
    @property
    def seen(self) -> dict[str, Any]:
        """The numbers that are shown."""
        return dict(json.loads(self.state.get("numbers") or "{}"))

    async def until(self, good: Any, limit: float = LONG) -> dict[str, Any]:
        """Waits for numbers that are good, and for the page to be done with them."""
        end = time.monotonic() + limit
        while self.state.get("busy") or not self.seen or not good(self.seen):
            assert time.monotonic() < end, (self.seen, self.state.get("status"))
            assert not self.closed, "the server has closed the line"
            await asyncio.sleep(0.005)
        return self.seen

    async def _listen(self) -> None:
        while True:
            parts = [await self.line.read_message() for _ in range(3)]
            if None in parts:
                self.closed = True
                return
            header, _, content = (json.loads(part or "null") for part in parts)
            for _ in range(2 * header.get("num_buffers", 0)):
                await self.line.read_message()
            if header["msgtype"] == "PATCH-DOC":
                await self._patched(content["events"])
            elif header["msgtype"] == "ERROR":
                self.errors += 1
            elif header["msgtype"] == "PULL-DOC-REPLY":
                self._learn(content["doc"])  # before the first patch of it
                await self.replies.put((header["msgtype"], None))
            elif header["msgtype"] != "OK":
                await self.replies.put((header["msgtype"], content))

    async def _patched(self, events: list[Any]) -> None:
        for event in events:
            if event.get("model", {}).get("id") == self.ids.get("wire", ""):
                self.state[event["attr"]] = event["new"]
                if event["attr"] == "sent":
                    self.frames += 1
                    await self.set("wire", "seen", event["new"])

    def _learn(self, part: Any) -> None:
        """Notes the ids of the models that have a name, and the wire's state."""
        if isinstance(part, dict):
            here = part.get("attributes", {})
            if part.get("type") == "object" and "id" in part:
                if part.get("name", "").endswith("Wire"):
                    self.ids["wire"] = part["id"]
                    self.state |= here
                elif isinstance(here, dict) and isinstance(here.get("name"), str):
                    self.ids[here["name"]] = part["id"]
            for inner in part.values():
                self._learn(inner)
        elif isinstance(part, list):
            for inner in part:
                self._learn(inner)
