import json
import tracemalloc

import pytest

from service.api.schemas.batches import read_batch_carefully
from service.api.schemas.careful import TooManyObjectsError
from service.domain.json_size import MOST_CONTAINERS, holds_too_much


def test_a_batch_of_too_many_objects_is_refused_before_it_takes_memory() -> None:
    body = b'{"samples": [' + b"{}," * MOST_CONTAINERS + b"{}]}"
    tracemalloc.start()
    with pytest.raises(TooManyObjectsError, match="send smaller batches") as caught:
        read_batch_carefully(body, max_items=5_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.status == 413
    assert peak < 20 * len(body)


@pytest.mark.parametrize("text", ["{[", '"{', "\\{", '\\"[', "{\n["])
def test_brackets_in_texts_are_only_text(text: str) -> None:
    said = json.dumps([text * MOST_CONTAINERS]).encode()
    assert not holds_too_much(said)
    assert holds_too_much(b"[" + said + b",[]" * MOST_CONTAINERS + b"]")


def test_a_text_without_an_end_is_looked_at_in_one_go() -> None:
    assert holds_too_much(b'"' + b"[" * 5_000_000)
