"""The API process: uvicorn around the HTTP application."""

import gc
import socket
import sys
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

_ALLOCATIONS_PER_COLLECTION = 50_000
_SWITCH_INTERVAL_S = 0.001


def serve_api(app: FastAPI, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; requests that have begun are answered."""
    # What is here now stays: the collector need not look through it with every few requests.
    gc.collect()
    gc.freeze()
    # Samples make no cycles; by default it would look at them several times in each batch.
    gc.set_threshold(_ALLOCATIONS_PER_COLLECTION)
    # A thread that commits waits for PostgreSQL ten times a transaction; each time it would wait
    # for the interpreter too, 5 ms by default, while the loop reads requests.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    with suppress(KeyboardInterrupt):  # which it raises once more when it has stopped in order
        uvicorn.Server(config).run(sockets=[listener])
