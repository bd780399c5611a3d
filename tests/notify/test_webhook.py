"""The webhook channel against a real receiver."""

import base64
import hashlib
import hmac
import logging
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from service.domain.notifications import Channel, Message
from service.flows.deliver_notifications import LEASE
from service.notify.contract import DeliveryError, Sender
from service.notify.webhook import DEADLINE, WebhookSender, sign
from tests.notify.receiver import Receiver, drip, listen

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MESSAGE = Message("incident-42-opened", {"type": "incident.opened", "data": {"title": "Ähm"}})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listen() as receiver:
        yield receiver


@pytest.fixture
def sender() -> Iterator[WebhookSender]:
    with closing(WebhookSender()) as sender:
        yield sender


def _refusal(sender: Sender, receiver: Receiver, status: int, **headers: str) -> DeliveryError:
    receiver.answers.append((status, {k.replace("_", "-"): v for k, v in headers.items()}))
    with pytest.raises(DeliveryError) as caught:
        sender.send(Channel("ops", "webhook", receiver.url), MESSAGE, now=NOON)
    return caught.value


def test_a_message_arrives_as_json_with_its_id_and_time(
    sender: WebhookSender, receiver: Receiver
) -> None:
    sender.send(Channel("ops", "webhook", receiver.url), MESSAGE, now=NOON)
    (post,) = receiver.posts
    assert post.body == MESSAGE.payload
    assert post.path == "/hook?token=s3cret-token"
    assert post.headers["content-type"] == "application/json"
    assert post.headers["webhook-id"] == "incident-42-opened"
    assert post.headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    assert "webhook-signature" not in post.headers


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("plain words", b"plain words"),
        ("whsec_" + base64.b64encode(b"\xff raw").decode(), b"\xff raw"),
    ],
    ids=["plain", "whsec"],
)
def test_the_receiver_can_check_the_signature(
    sender: WebhookSender, receiver: Receiver, secret: str, key: bytes
) -> None:
    sender.send(Channel("ops", "webhook", receiver.url, secret), MESSAGE, now=NOON)
    (post,) = receiver.posts
    signed = b".".join(
        (
            post.headers["webhook-id"].encode(),
            post.headers["webhook-timestamp"].encode(),
            post.raw,
        )
    )
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert post.headers["webhook-signature"] == f"v1,{expected}"


def test_the_signature_is_the_one_of_the_standard_webhooks_libraries() -> None:
    signature = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_what_would_be_refused_again_is_permanent(
    sender: WebhookSender, receiver: Receiver, status: int
) -> None:
    assert _refusal(sender, receiver, status).permanent


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503])
def test_what_can_pass_is_tried_again(
    sender: WebhookSender, receiver: Receiver, status: int
) -> None:
    assert not _refusal(sender, receiver, status).permanent


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(minutes=2)),
        ("Fri, 20 Nov 2026 12:01:00 GMT", timedelta(minutes=1)),
        ("soon", None),
        ("-5", None),
        ("9" * 30, None),
        ("9" * 5000, None),
    ],
    ids=["seconds", "date", "word", "negative", "too large", "far too large"],
)
def test_the_receiver_can_say_when_to_come_again(
    sender: WebhookSender, receiver: Receiver, value: str, wait: timedelta | None
) -> None:
    assert _refusal(sender, receiver, 503, retry_after=value).retry_after == wait


def test_a_redirect_is_not_followed(sender: WebhookSender, receiver: Receiver) -> None:
    error = _refusal(sender, receiver, 307, location=receiver.url)
    assert error.permanent
    assert "final URL" in str(error)
    assert len(receiver.posts) == 1


def test_a_receiver_that_is_away_is_tried_again(sender: WebhookSender) -> None:
    with listen() as gone:
        url = gone.url
    with pytest.raises(DeliveryError, match="cannot connect") as caught:
        sender.send(Channel("ops", "webhook", url), MESSAGE, now=NOON)
    assert not caught.value.permanent


def test_a_receiver_that_answers_a_byte_at_a_time_is_left_at_the_deadline() -> None:
    with drip() as dripping, closing(WebhookSender(timedelta(seconds=0.5))) as sender:
        begun = time.monotonic()
        with pytest.raises(DeliveryError, match=r"no answer within 0\.5 s") as caught:
            sender.send(Channel("ops", "webhook", dripping.url), MESSAGE, now=NOON)
        assert time.monotonic() - begun < 5
        assert not caught.value.permanent
        assert dripping.hung_up.wait(5)


def test_the_deadline_lies_well_within_the_lease_of_a_message() -> None:
    assert 3 * DEADLINE <= LEASE


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/x", "no url", "http://127.0.0.1:port/", "http://"]
)
def test_a_url_that_cannot_work_is_permanent(sender: WebhookSender, url: str) -> None:
    with pytest.raises(DeliveryError, match="Channel document") as caught:
        sender.send(Channel("ops", "webhook", url), MESSAGE, now=NOON)
    assert caught.value.permanent


def test_a_broken_secret_is_permanent_and_not_shown(
    sender: WebhookSender, receiver: Receiver
) -> None:
    with pytest.raises(DeliveryError) as caught:
        sender.send(Channel("ops", "webhook", receiver.url, "whsec_n0t-base64"), MESSAGE, now=NOON)
    assert caught.value.permanent
    assert "n0t" not in str(caught.value)
    assert not receiver.posts


def test_no_log_line_holds_the_token_of_the_url(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with closing(WebhookSender()) as sender:
        sender.send(Channel("ops", "webhook", receiver.url, "s3cret-key"), MESSAGE, now=NOON)
        error = _refusal(sender, receiver, 500)
    assert receiver.posts
    assert "s3cret" not in caplog.text
    assert "s3cret" not in repr(error)
