"""Every snippet of the README runs, one after the other, as its reader would run them."""

import re
from pathlib import Path

import pytest

from watchkeeper import default

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_every_snippet_runs(server, provider, monkeypatch):
    pytest.importorskip("openai", reason="the README wraps the client of the openai package")
    monkeypatch.setattr(default._default, "_client", None)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    message = {"role": "assistant", "content": "Hold the button."}
    provider.plan(json={"id": "1", "model": "m", "choices": [{"index": 0, "message": message}]})
    snippets = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    reader = {"__name__": "reader"}
    for snippet in snippets:
        exec(snippet.replace("https://watchkeeper.example", server.url), reader)  # noqa: S102
    reader["ai"].close()
    module = reader["watchkeeper"]
    assert module.flush().complete
    assert module.shutdown().complete
    tasks = [sample["task"] for sample in server.samples]
    assert sorted(set(tasks)) == ["answer", "complaint", "summarise", "translate"]
    [masked] = [sample for sample in server.samples if sample["task"] == "complaint"]
    assert masked["prompt"] == "Mail me: [email], [card]"
    assert "jane@example.com" not in str(server.requests)
    assert module.stats().stored == 5
    assert module.stats().signals.stored == 2
