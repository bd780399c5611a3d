"""What a kind of channel has to do: send one message, or say why not."""

from datetime import datetime, timedelta
from typing import Protocol

from service.domain.notifications import Channel, Message
from service.errors import WatchkeeperError


class DeliveryError(WatchkeeperError):
    """The message was not taken.

    A permanent error is not retried: the same message would be refused again. The text is shown
    in the incident's timeline, so it holds nothing secret and no part of the channel's URL.
    """

    def __init__(
        self, reason: str, *, permanent: bool = False, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.retry_after = retry_after


class Sender(Protocol):
    """One kind of channel."""

    def send(self, channel: Channel, message: Message, *, now: datetime) -> None:
        """Return when the receiver has taken the message; within seconds, come what may.

        It can come twice, with the same `message.id`: a process can die between the receiver's
        answer and our commit.

        Raises:
            DeliveryError: it was not taken.
        """
