import gzip

import pytest

from watchkeeper import compression

BODY = b'{"samples":[]}' * 100


@pytest.fixture
def without_zstd(monkeypatch):
    monkeypatch.setattr(compression, "_zstd", lambda: None)


def test_what_was_compressed_is_read_back():
    packed = compression.compressed(BODY)
    assert len(packed) < len(BODY)
    assert compression.decompressed(packed) == BODY


def test_gzip_serves_where_there_is_no_zstd(without_zstd):
    packed = compression.compressed(BODY)
    assert compression.encoding_of(packed) == "gzip"
    assert gzip.decompress(packed) == compression.decompressed(packed) == BODY


def test_a_batch_of_another_process_says_how_it_was_compressed(without_zstd):
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.compress(BODY, 1)
    assert compression.encoding_of(packed) == "zstd"
    with pytest.raises(ValueError, match="zstd"):
        compression.decompressed(packed)
