"""What cannot be read at all."""

from http import HTTPStatus

from service.errors import InvalidInputError


class UnreadableExportError(InvalidInputError):
    """The body is not what OTLP sends; an exporter does not send it again."""

    status = HTTPStatus.BAD_REQUEST


class TooManyFieldsError(InvalidInputError):
    """The request would take too much memory."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
