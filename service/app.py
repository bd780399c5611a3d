"""The API process: uvicorn around the HTTP application."""

import uvicorn
from fastapi import FastAPI


def serve_api(app: FastAPI, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests that have begun are answered."""
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
