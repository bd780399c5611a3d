"""What is posted and answered, by example; shown in the OpenAPI document."""

from typing import Any

_BATCH_ID = "0192f1c4-7a30-7cc1-9d1b-5f2f3c8e6a01"
_SAMPLE_ID = "0192f1c4-7a2e-7b60-8a4d-1c9f0f6b2e11"
_CALLED_AT = "2026-11-25T11:59:58.250Z"

SIGNAL: dict[str, Any] = {
    "signal_id": "0192f1c5-0d10-7f3a-b0c2-6d3e5f7a9b21",
    "signalled_at": "2026-11-25T12:00:00Z",
    "sample_id": _SAMPLE_ID,
    "kind": "thumbs",
    "value": -1,
}
BATCH: dict[str, Any] = {
    "batch_id": _BATCH_ID,
    "samples": [
        {
            "sample_id": _SAMPLE_ID,
            "called_at": _CALLED_AT,
            "task": "answer",
            "model": "gpt-4-0613",
            "prompt": "Is 7919 a prime number?",
            "response": "[Yes]",
            "latency_ms": 812.5,
            "input_tokens": 9,
            "output_tokens": 2,
            "keep_probability": 0.1,
            "attributes": {"tenant": "north"},
        }
    ],
    "call_counts": [
        {
            "minute": "2026-11-25T11:59:00Z",
            "task": "answer",
            "model": "gpt-4-0613",
            "calls": 12,
            "input_tokens": 110,
            "output_tokens": 25,
            "latency_counts": {"800": 7, "1000": 5},
        }
    ],
    "signals": [SIGNAL],
}
SIGNAL_BATCH: dict[str, Any] = {"batch_id": _BATCH_ID, "signals": [SIGNAL]}
RECEIPT: dict[str, Any] = {
    "batch_id": _BATCH_ID,
    "accepted": 1,
    "duplicate": 0,
    "rejected": 0,
    "counts_accepted": 1,
    "counts_rejected": 0,
    "signals_accepted": 1,
    "signals_rejected": 0,
    "rejections": [],
    "truncations": [],
    "sample_rates": {"default": None, "tasks": {"answer": 0.1}},
}


def _attributes(**texts: str) -> list[dict[str, Any]]:
    return [
        {"key": name.replace("__", "."), "value": {"stringValue": text}}
        for name, text in texts.items()
    ]


_SPAN = {"traceId": "5b8aa5a2d2c872e8321cf37308d69df2", "spanId": "051581bf3cb55c13"}
TRACES: dict[str, Any] = {
    "resourceSpans": [
        {
            "resource": {"attributes": _attributes(service__version="1.4.0")},
            "scopeSpans": [
                {
                    "spans": [
                        {
                            **_SPAN,
                            "name": "chat gpt-4",
                            "startTimeUnixNano": "1795607998250000000",
                            "endTimeUnixNano": "1795607999062500000",
                            "attributes": _attributes(
                                gen_ai__operation__name="chat",
                                gen_ai__provider__name="openai",
                                gen_ai__request__model="gpt-4",
                                gen_ai__response__model="gpt-4-0613",
                                gen_ai__input__messages="Is 7919 a prime number?",
                                gen_ai__output__messages="[Yes]",
                            ),
                        }
                    ]
                }
            ],
        }
    ]
}
LOGS: dict[str, Any] = {
    "resourceLogs": [
        {
            "scopeLogs": [
                {
                    "logRecords": [
                        {
                            **_SPAN,
                            "eventName": "gen_ai.evaluation.result",
                            "attributes": _attributes(
                                gen_ai__evaluation__name="faithful",
                                gen_ai__evaluation__score__label="pass",
                            ),
                        }
                    ]
                }
            ]
        }
    ]
}
