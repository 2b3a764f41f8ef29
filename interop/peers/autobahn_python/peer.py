"""A WAMP peer built with Autobahn|Python, scripted by JSON lines.

Commands arrive on standard input and are answered on standard output, one JSON
object per line, as described in the README of the folder above. Standard error
carries the log of the library.
"""

import argparse
import asyncio
import base64
import json
import sys

from autobahn.asyncio.component import Component
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import (
    CallOptions,
    CallResult,
    PublishOptions,
    RegisterOptions,
    SubscribeOptions,
)

CUSTOM_ERROR = "interop.error.custom"
LINE_LIMIT = 64 * 1024 * 1024


def to_wire(value):
    """Return value with byte strings replaced by {"$bytes": base64}."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": base64.b64encode(bytes(value)).decode("ascii")}
    if isinstance(value, (list, tuple)):
        return [to_wire(v) for v in value]
    if isinstance(value, dict):
        return {k: to_wire(v) for k, v in value.items()}
    return value


def from_wire(value):
    """Return value with {"$bytes": base64} replaced by byte strings."""
    if isinstance(value, list):
        return [from_wire(v) for v in value]
    if isinstance(value, dict):
        if set(value) == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        return {k: from_wire(v) for k, v in value.items()}
    return value


def report(**fields):
    sys.stdout.write(json.dumps(fields, ensure_ascii=True) + "\n")
    sys.stdout.flush()


def payload(args, kwargs):
    return {"args": to_wire(list(args or [])), "kwargs": to_wire(dict(kwargs or {}))}


def behaviour(name, procedure, session_id):
    """Return the endpoint for a named behaviour of a procedure."""

    def echo(*args, invocation, **kwargs):
        return CallResult(*args, **kwargs)

    def value(*args, invocation, **kwargs):
        return args[0]

    def nothing(*args, invocation, **kwargs):
        return None

    def add2(a, b, invocation):
        return a + b

    def fail(*args, invocation, **kwargs):
        raise ApplicationError(CUSTOM_ERROR, *args, **kwargs)

    def crash(*args, invocation, **kwargs):
        raise ValueError("crashed on purpose")

    async def progress(count, invocation):
        if invocation.progress:
            for i in range(count):
                invocation.progress(i, step=i)
                await asyncio.sleep(0)
        return count

    def called(*args, invocation, **kwargs):
        return invocation.procedure or procedure

    def whoami(*args, invocation, **kwargs):
        return session_id

    async def hang(*args, invocation, **kwargs):
        report(event="invoked", procedure=procedure)
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            report(event="interrupted", procedure=procedure)
            raise

    known = {
        f.__name__: f
        for f in (echo, value, nothing, add2, fail, crash, progress, called, whoami, hang)
    }
    if name not in known:
        raise KeyError(f"unknown behaviour {name!r}")
    return known[name]


class Peer:
    """Runs one component and executes the commands for its session."""

    def __init__(self, transport, realm, authentication):
        self.session = None
        self.registrations = {}
        self.subscriptions = {}
        self.calls = {}
        self.component = Component(transports=[transport], realm=realm, authentication=authentication)
        self.component.on("join", self.joined)
        self.component.on("leave", self.left)
        self.component.on("connectfailure", self.failed)
        self.component.on("disconnect", self.disconnected)

    async def joined(self, session, details):
        self.session = session
        report(
            event="joined",
            session=details.session,
            realm=details.realm,
            authrole=details.authrole,
            authid=details.authid,
            authmethod=details.authmethod,
        )

    async def left(self, session, details):
        report(event="left", reason=details.reason, message=details.message)

    async def failed(self, component, error):
        report(event="failed", message=f"{type(error).__name__}: {error}")

    async def disconnected(self, session, was_clean=False):
        report(event="closed", clean=bool(was_clean))

    async def run(self, lines):
        ended = asyncio.ensure_future(self.component.start(loop=asyncio.get_running_loop()))
        ended.add_done_callback(lambda f: f.exception())
        while True:
            line = await lines.readline()
            if not line:
                return
            asyncio.ensure_future(self.execute(json.loads(line)))

    async def execute(self, command):
        ident = command["id"]
        try:
            handler = getattr(self, "do_" + command["op"])
            report(id=ident, ok=await handler(command))
        except ApplicationError as e:
            report(id=ident, error={"uri": e.error, **payload(e.args, e.kwargs)})
        except asyncio.CancelledError:
            report(id=ident, error={"uri": "local.canceled", **payload([], {})})
        except Exception as e:
            report(id=ident, error={"uri": "local.error", **payload([f"{type(e).__name__}: {e}"], {})})

    async def do_register(self, command):
        options = RegisterOptions(details_arg="invocation", **command.get("options", {}))
        endpoint = behaviour(command["behaviour"], command["uri"], self.session.session_id)
        registration = await self.session.register(endpoint, command["uri"], options=options)
        self.registrations[registration.id] = registration
        return {"id": registration.id}

    async def do_unregister(self, command):
        await self.registrations.pop(command["target"]).unregister()
        return {}

    async def do_subscribe(self, command):
        topic = command["uri"]

        def received(*args, details, **kwargs):
            report(
                event="event",
                subscribed=topic,
                topic=details.topic or topic,
                publication=details.publication,
                publisher=details.publisher,
                **payload(args, kwargs),
            )

        options = SubscribeOptions(details_arg="details", **command.get("options", {}))
        subscription = await self.session.subscribe(received, topic, options=options)
        self.subscriptions[subscription.id] = subscription
        return {"id": subscription.id}

    async def do_unsubscribe(self, command):
        await self.subscriptions.pop(command["target"]).unsubscribe()
        return {}

    async def do_publish(self, command):
        done = self.session.publish(
            command["uri"],
            *from_wire(command.get("args", [])),
            options=PublishOptions(**command.get("options", {})),
            **from_wire(command.get("kwargs", {})),
        )
        return {"id": (await done).id} if done is not None else {}

    async def do_call(self, command):
        steps = []
        options = dict(command.get("options", {}))
        if options.pop("receive_progress", False):
            options["on_progress"] = lambda *args, **kwargs: steps.append(payload(args, kwargs))
        else:
            options["details"] = True
        call = self.session.call(
            command["uri"],
            *from_wire(command.get("args", [])),
            options=CallOptions(**options),
            **from_wire(command.get("kwargs", {})),
        )
        self.calls[command["id"]] = call
        try:
            result = await call
        finally:
            del self.calls[command["id"]]
        if isinstance(result, CallResult):
            return {**payload(result.results, result.kwresults), "progress": steps}
        return {**payload([result], {}), "progress": steps}

    async def do_cancel(self, command):
        self.calls[command["target"]].cancel()
        return {}

    async def do_leave(self, command):
        await self.component.stop()
        return {}


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="ws://HOST:PORT/PATH or rs://HOST:PORT")
    parser.add_argument("--serializer", required=True, choices=["json", "msgpack", "cbor"])
    parser.add_argument("--realm", default="realm1")
    parser.add_argument("--authentication", type=json.loads, help="JSON: what Component takes as such")
    options = parser.parse_args()

    transport = {"url": options.url, "max_retries": 0}
    if options.url.startswith("rs"):
        transport.update(type="rawsocket", serializer=options.serializer)
    else:
        transport.update(type="websocket", serializers=[options.serializer])

    lines = asyncio.StreamReader(limit=LINE_LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    await Peer(transport, options.realm, options.authentication).run(lines)


if __name__ == "__main__":
    asyncio.run(main())
