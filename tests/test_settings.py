import pytest

from service.settings import InvalidSettingsError, read_settings


def test_a_database_url_shows_its_password_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", "postgresql://me:s3cret@db/watchkeeper")
    assert "s3cret" not in repr(read_settings())


def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", "mysql://me:s3cret@db/watchkeeper")
    with pytest.raises(InvalidSettingsError, match="WATCHKEEPER_DATABASE_URL") as caught:
        read_settings()
    assert "s3cret" not in str(caught.value)


def test_there_is_room_for_the_largest_body_packed_and_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WATCHKEEPER_MAX_WAITING_BYTES", "30000000")
    with pytest.raises(InvalidSettingsError, match="at least twice WATCHKEEPER_MAX_BODY_BYTES"):
        read_settings()
