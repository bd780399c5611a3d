import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper import masks
from watchkeeper.digits import passes_luhn

HOSTILE = 200_000


def apply(text, *several):
    for mask in several or masks.COMMON:
        text = mask(text)
    return text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Write to jane.doe+x@mail.example.co.uk.", "Write to [email]."),
        ("<mailto:jo_e%1@xn--bcher-kva.example>", "<mailto:[email]>"),
        ("@jane and 3 @ 4", "@jane and 3 @ 4"),
        ("4111 1111 1111 1111 12/26 123", "[card] 12/26 123"),
        ("378282246310005", "[card]"),
        ("No. 6011-0009-9013-9424!", "No. [card]!"),
        ("Visa4111111111111111", "Visa[card]"),
        ("call 030 1234567 now", "call [phone] now"),
        ("+49 (0)30 1234-567", "[phone]"),
        ("(555) 123-4567 ext", "[phone] ext"),
        ("0049301234567", "[phone]"),
        ("DE89 3704 0044 0532 0130 00 BANK", "[iban] BANK"),
        ("GB82WEST12345698765432", "[iban]"),
        ("key=sk-proj-abcdefghijklmnop1234.", "key=[key]."),
        ("sk-ant-api03-abcdefghijklmnop", "[key]"),
        ("Authorization: Bearer abcdef.ghijklmnop-qrst", "Authorization: [key]"),
        ("AKIAIOSFODNN7EXAMPLE", "[key]"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[key]"),
        ("wk_abcdefghijklmnopqrstuvwxyz", "[key]"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.abc", "[key]"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: a\nMII\n-----END RSA PRIVATE KEY----- so",
            "[key] so",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMII (cut off)", "[key]"),
        ("de89 3704 0044 0532 0130 00", "[iban]"),
        ("0301234567 / 0301234568", "[phone] / [phone]"),
        ("0301234567 0301234568", "[phone] [phone]"),
        ("2026-11-23 030 1234567 on 11/23/2026", "2026-11-23 [phone] on 11/23/2026"),
        # As typographers and models write it, and in digits of other widths
        ("+49\u202f30\u202f123\u20114567", "[phone]"),
        ("4111\u00a01111\u20111111\u200b1111", "[card]"),
        ("\uff14\uff11\uff11\uff11 1111 1111 1111", "[card]"),
        ("DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", "[iban]"),
        # In a text that is JSON, or an address
        (r'{"key":"is:\nsk-abcdefghijklmnopqrst"}', r'{"key":"is:\n[key]"}'),
        (r"\nDE89370400440532013000\t+49 30 1234567", r"\n[iban]\t[phone]"),
        (r"\u0020wk_abcdefghijklmnopqrstuvwxyz", r"\u0020[key]"),
        ("?q=is%20sk-abcdefghijklmnopqrst", "?q=is%20[key]"),
    ],
)
def test_what_must_not_leave_is_marked(text, left):
    assert apply(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23 19:44:20",
        "192.168.100.200",
        "3.14159265358979",
        "order 1234567890",
        "550e8400-e29b-41d4-a716-446655440000",
        "task-force-abcdefghijklmnopqrst",
        "1699999999999 ms",
        "1,234,567,890",
        "10.11.2026 - 12.11.2026",
        "2026-11-23 2026-11-24",
        "1234567890 1234567890",
        "4111 1111 1111 1112 77",
    ],
)
def test_what_only_looks_alike_stays(text):
    assert apply(text) == text


DIGITS = st.text(alphabet=string.digits, min_size=10, max_size=15)


@st.composite
def cards(draw):
    """A card number, and the same as somebody may write it."""
    head = draw(st.sampled_from(["41", "53", "37", "60"])) + draw(DIGITS)
    number = next(head + check for check in string.digits if passes_luhn(head + check))
    gaps = st.sampled_from(["", " ", "-"])
    return number, number[0] + "".join(draw(gaps) + digit for digit in number[1:])


@settings(deadline=None)
@given(cards(), st.text(alphabet=string.ascii_letters + " .,;\n", max_size=20))
def test_no_card_number_is_left_however_it_is_written(card, around):
    number, written = card
    left = masks.CARD(f"{around}{written}{around}")
    assert number not in "".join(filter(str.isdigit, left))


@settings(deadline=None)
@given(
    st.from_regex(r"[a-z0-9][a-z0-9._+-]{0,20}@([a-z0-9-]{1,10}\.){1,3}[a-z]{2,5}", fullmatch=True)
)
def test_no_address_is_left(address):
    assert masks.EMAIL(f"to {address}, please") == "to [email], please"


@settings(deadline=None)
@given(st.text())
def test_masks_take_any_text_and_leave_nothing_to_mask(text):
    once = apply(text)
    assert apply(once) == once


@settings(deadline=None)
@given(st.text(alphabet=string.ascii_letters + " \n'\"", max_size=200))
def test_texts_of_letters_stay_as_they_are(text):
    assert apply(text) == text


PIECES = [
    *("a", "a@", "a.", "a@b.", "4", "4 ", "1-", "11111 x", "42 ", "1  .", "(", "+ ", "-", "----a"),
    *("-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "eyJ", "-eyJaaaaaaaa", "eyJaaaaaaaaa.", "sk-"),
    *("Bearer ", "AA00 ", "DE89", "AA00 AAAA AAAA AAAA ", "sk-aaaaaaaaaaaaaaa ", "gha_"),
    *(
        "4111 1111 1111 1112 ",
        "A ",
        "%",
        "+1",
        "\\n",
        "\\n1",
        "\\u0020eyJ",
        "%20",
        "%20sk-",
        "DE89%20",
    ),
    *("0301234567 / ", "2026-11-23 ", "2026-11-23 030 1234567 ", "DE89%20", "1\u202f", "\u200b"),
]


@pytest.mark.parametrize("mask", masks.COMMON, ids=repr)
@pytest.mark.parametrize("piece", PIECES)
def test_hostile_texts_take_no_longer_than_others(mask, piece):
    text = "a@-----BEGIN " + piece * (HOSTILE // len(piece)) + "!"
    began = time.process_time()
    mask(text)
    # About 0.05 s here; what is quadratic takes minutes
    assert time.process_time() - began < 2.0


def test_texts_in_lists_and_dicts_are_masked_one_by_one():
    value = {"content": ["Mail:\njoe@example.com", 4111111111111111, 7, None, True, b"x@y.example"]}
    assert masks.masked(value, masks.COMMON) == {
        "content": ["Mail:\n[email]", "[card]", 7, None, True, "[email]"]
    }


@pytest.mark.parametrize("wrong", [7, "EMAIL", [masks.EMAIL, 7], object()])
def test_what_is_no_mask_is_seen_at_construction(client, wrong):
    with pytest.raises(ValueError, match="mask must be"):
        client(mask=wrong)


def test_masks_are_applied_to_every_text_before_it_leaves(server, client):
    wk = client(mask=masks.COMMON)
    wk.record(
        task="t",
        prompt=[{"role": "user", "content": "I am\njoe@example.com"}],
        response="4111 1111 1111 1111",
        reference="call 030 1234567",
        attributes={"mail": "joe@example.com", "n": 7},
    )
    wk.flush()
    [sample] = server.samples
    assert sample["prompt"] == '[{"role": "user", "content": "I am\\n[email]"}]'
    assert (sample["response"], sample["reference"]) == ("[card]", "call [phone]")
    assert sample["attributes"] == {"mail": "[email]", "n": 7}


@pytest.mark.parametrize("broken", [lambda text: 1 / 0, lambda text: None])
def test_a_mask_that_fails_drops_the_text_and_keeps_the_call(server, client, balanced, broken):
    wk = client(mask=[masks.EMAIL, broken])
    wk.record(task="t", prompt="joe@example.com", response="secret")
    wk.flush()
    [sample] = server.samples
    assert (sample["prompt"], sample["response"]) == (None, None)
    assert "joe@example.com" not in str(server.requests)
    stats = balanced(wk)
    assert (stats.stored, stats.counted) == (1, 1)
    assert stats.repaired == {"mask:prompt": 1, "mask:response": 1}


def test_attributes_are_masked_whatever_their_form(server, client):
    wk = client(mask=masks.COMMON)
    wk.record(
        task="t",
        attributes={
            "card": 4111111111111111,
            "joe@example.com": True,
            "nested": {"note": "call\n+49 30 1234567"},
            "long": "x" * 4_090 + " sk-abcdefghijklmnopqrst",
            "took_ms": 12.345678901234567,
        },
    )
    wk.flush()
    [sample] = server.samples
    assert sample["attributes"] == {
        "card": "[card]",
        "[email]": True,
        "nested": '{"note": "call\\n[phone]"}',
        "long": "x" * 4_090 + " [key]",
        "took_ms": 12.345678901234567,
    }


def test_what_a_mask_fails_at_is_left_out_of_the_attributes(server, client):
    def broken(text):
        if text == "secret":
            raise LookupError
        return text

    wk = client(mask=broken)
    wk.record(task="t", attributes={"a": "secret", "secret": "b", "c": "d"})
    wk.flush()
    assert server.samples[0]["attributes"] == {"c": "d"}
    assert wk.stats().repaired == {"mask:attributes": 2}


def test_the_words_of_an_error_are_masked_before_they_are_cut(server, client):
    wk = client(mask=masks.COMMON)
    wk.record(task="t", error="x" * 180 + " joe.of.a.long.name@example.com", finish_reason="a@b.de")
    wk.flush()
    [sample] = server.samples
    assert sample["error_type"] == "x" * 180 + " [email]"
    assert sample["finish_reason"] == "[email]"


def test_of_a_very_long_text_only_what_can_leave_is_masked(server, client):
    seen = []

    def hidden(text):
        seen.append(len(text))
        return text.replace("joe@example.com", "")

    wk = client(mask=hidden)
    wk.record(task="t", prompt="joe@example.com" * 700_000)
    wk.flush()
    [sample] = server.samples
    assert max(seen) < 300_000
    assert sample["prompt"] == "... [cut by watchkeeper: 10500000 characters]"
    assert sample["attributes"] == {"watchkeeper.truncated": "prompt"}
