"""Whatever the OpenAPI document allows, and what it does not, is answered; never with a 500."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine

from service.flows.create_api_key import create_api_key
from service.settings import Settings
from service.wiring import build_api
from tests.declared import NOW, declare_app
from tests.serving import serving

CHECKS = (
    "not_a_server_error,status_code_conformance,"
    "content_type_conformance,response_schema_conformance"
)


def test_no_endpoint_answers_generated_requests_with_a_server_error(
    engine: Engine, tmp_path: Path
) -> None:
    declare_app(engine)
    key = create_api_key(engine, "support", now=NOW)
    with serving(build_api(engine, Settings(), clock=lambda: NOW)) as url:
        run = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                *("run", f"{url}/openapi.json", "--url", url),
                *("--header", f"Authorization: Bearer {key.secret}"),
                *("--checks", CHECKS, "--max-examples", "25", "--seed", "11"),
                "--generation-deterministic",
                *("--phases", "examples,coverage,fuzzing", "--no-color"),
            ],
            capture_output=True,
            text=True,
            timeout=170,
            cwd=tmp_path,
        )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
