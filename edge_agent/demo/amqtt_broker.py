"""amqtt as a program: one JSON argument, TLS on loopback, until it is terminated."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path


async def serve(port: int, pki: Path) -> None:
    """Run the broker for ever."""
    from amqtt.broker import Broker

    config = {
        "listeners": {
            "default": {
                "type": "tcp",
                "bind": f"127.0.0.1:{port}",
                "ssl": True,
                "certfile": str(pki / "server.pem"),
                "keyfile": str(pki / "server.key"),
                "cafile": str(pki / "ca.pem"),
            }
        },
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Broker(config)
    await broker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    asyncio.run(serve(settings["port"], Path(settings["pki"])))
