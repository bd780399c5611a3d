"""OpenTelemetry to our words: spans of any instrumentation become calls. Pure, like `domain`."""
