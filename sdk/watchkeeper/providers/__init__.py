"""Drop-in wrapping of the clients of OpenAI and Anthropic, and of those of the same shape."""

from watchkeeper.providers.clients import recorded_client
from watchkeeper.providers.provider_call import Recorder

__all__ = ["Recorder", "recorded_client"]
