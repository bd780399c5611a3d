import json
import uuid

from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.calls import plain_facts
from watchkeeper.samples import literal


@given(st.one_of(st.none(), st.floats(0, 1e12), st.integers(), st.text()))
def test_a_literal_is_read_back_as_what_it_was(value):
    assert json.loads(literal(value)) == value


@given(st.text(st.sampled_from('a"\\\n\r\t\x00\x1f\x7fü\u2028😀'), max_size=40))
def test_every_character_that_json_escapes_is_escaped(text):
    assert json.loads(literal(text)) == text


def test_what_is_not_captured_never_leaves(server, client):
    call = {"prompt": "secret in", "response": "secret out", "reference": "secret out"}
    for options in ({"capture_input": False}, {"capture_output": False}):
        wk = client(**options)
        wk.record(task="t", **call, latency_ms=5)
        wk.flush()
    first, second = server.samples
    assert (first["prompt"], first["response"]) == (None, "secret out")
    assert (second["prompt"], second["response"], second["reference"]) == ("secret in", None, None)
    assert server.counted == 2


def test_masks_see_every_text_and_a_failing_one_drops_it(server, client, balanced):
    def mask(text):
        if "boom" in text:
            raise RuntimeError
        return text.replace("Jane", "[name]")

    wk = client(mask=mask)
    wk.record(task="t", prompt=["Hi Jane"], response="boom", attributes={"by": "Jane", "n": 1})
    wk.flush()
    [sample] = server.samples
    assert json.loads(sample["prompt"]) == ["Hi [name]"]
    assert sample["response"] is None
    assert sample["attributes"] == {"by": "[name]", "n": 1}
    assert balanced(wk).repaired == {"mask:response": 1}


def test_an_id_tells_when_its_call_was(server, client):
    wk = client()
    wk.record(task="t")
    wk.flush()
    [sample] = server.samples
    assert uuid.UUID(sample["sample_id"]).version == 7


def test_plain_facts_are_what_was_handed_over():
    call = (60.5, None, "t", "m", "v", "Timeout", 1, 2, 0.5, 9.0, *(None,) * 8, False, None)
    assert plain_facts(call) == (60.5, "t", "m", "v", "error", 1, 2, 0.5, 9.0)
