"""A GraphQL request out of an HTTP one, as the specification of GraphQL over HTTP asks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from creditchain.querying.failure import DoorError, ErrorCode

RESPONSE_TYPE: Final = "application/graphql-response+json"
JSON_TYPE: Final = "application/json"

QUERY_STRING_BYTES_MAX: Final = 16_384
"""Of a GET; many servers and proxies stop earlier."""

HEADER_CHARS_MAX: Final = 500
"""Of an Accept header that is still read; browsers send under 200."""


class Unfit(Exception):
    """The HTTP request is no GraphQL request: status, code and sentence."""

    def __init__(self, status: int, code: ErrorCode, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Request:
    """A GraphQL request, whatever it came over."""

    query: str | None
    variables: dict[str, Any] | None
    operation_name: str | None
    document_id: str | None


def choose_media(accept: str, offers: tuple[str, ...]) -> str:
    """The offered media type that an Accept header likes best; raises `Unfit` if it likes none."""
    chosen = choose(accept, offers)
    if chosen is None:
        raise Unfit(406, ErrorCode.BAD_USER_INPUT, f"Accept {RESPONSE_TYPE}.")
    return chosen


@lru_cache(maxsize=512)
def choose(accept: str, offers: tuple[str, ...]) -> str | None:
    """The offered media type that an Accept header likes best; None if it likes none.

    Of equals the earlier in the header, then the earlier offer; an empty header likes the first.
    """
    if not accept.strip():
        return offers[0]
    best: tuple[float, int, int] | None = None
    chosen = None
    for place, item in enumerate(accept[:HEADER_CHARS_MAX].split(",")):
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = quality_of(parameters)
        if any(p.startswith("charset=") and p[8:].strip('"') != "utf-8" for p in parameters):
            continue
        for rank, offer in enumerate(offers):
            if quality > 0 and _covers(media, offer):
                score = (quality, -place, -rank)
                if best is None or score > best:
                    best, chosen = score, offer
    return chosen


def quality_of(parameters: list[str]) -> float:
    """The weight among the parameters of an item of a header, 0 to 1; 1 if there is none."""
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def check_content_type(content_type: str) -> None:
    """Raises `Unfit` for a body that does not say it is JSON in UTF-8."""
    media, *parameters = content_type.lower().split(";")
    charset = [p.strip() for p in parameters if p.strip().startswith("charset=")]
    if media.strip() != JSON_TYPE or any(
        c[8:].strip('"') not in ("utf-8", "utf8") for c in charset
    ):
        raise Unfit(415, ErrorCode.BAD_USER_INPUT, f"Send {JSON_TYPE} in UTF-8.")


def parse_body(body: bytes) -> Request:
    """The request in a body; raises `Unfit`."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Unfit(400, ErrorCode.BAD_USER_INPUT, "The body is no JSON.") from None
    return parse_request(value)


def parse_query_string(raw: bytes) -> Request:
    """The request in a query string; raises `Unfit`."""
    if len(raw) > QUERY_STRING_BYTES_MAX:
        raise Unfit(414, ErrorCode.QUERY_TOO_COMPLEX, "The address is too long.")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, max_num_fields=8, errors="strict"
        )
    except ValueError:
        raise Unfit(400, ErrorCode.BAD_USER_INPUT, "The query string is unreadable.") from None
    value: dict[str, Any] = dict(pairs)
    if len(value) != len(pairs):
        raise Unfit(400, ErrorCode.BAD_USER_INPUT, "A parameter stands twice.")
    for name in ("variables", "extensions"):
        if name in value:
            try:
                value[name] = json.loads(value[name])
            except (ValueError, RecursionError):
                raise Unfit(400, ErrorCode.BAD_USER_INPUT, f"{name} is no JSON.") from None
    return parse_request(value)


def parse_request(value: object) -> Request:
    """The request in a JSON object; raises `Unfit`. Parameters it does not know are left alone."""
    if not isinstance(value, dict):
        raise Unfit(400, ErrorCode.BAD_USER_INPUT, "A request is a JSON object; batches are not.")
    query, variables = value.get("query"), value.get("variables")
    name, cited = value.get("operationName"), value.get("documentId")
    for parameter, text in (("query", query), ("operationName", name), ("documentId", cited)):
        if text is not None and not isinstance(text, str):
            raise Unfit(400, ErrorCode.BAD_USER_INPUT, f"{parameter} is a string.")
    for parameter, table in (("variables", variables), ("extensions", value.get("extensions"))):
        if table is not None and not isinstance(table, dict):
            raise Unfit(400, ErrorCode.BAD_USER_INPUT, f"{parameter} is an object.")
    if query is None and cited is None:
        raise Unfit(400, ErrorCode.BAD_USER_INPUT, "A query or a documentId is needed.")
    return Request(query, variables, name or None, cited)


def unfit_for(error: DoorError, media: str) -> Unfit:
    """A failure before the operation began, with the status of the chosen media type."""
    if error.code is ErrorCode.UNAUTHENTICATED:
        return Unfit(401, error.code, error.message, **{"www-authenticate": "Bearer"})
    if error.code is ErrorCode.RATE_LIMITED:
        return Unfit(
            429, error.code, error.message, **{"retry-after": str(error.facts["retryAfter"])}
        )
    if error.code is ErrorCode.FORBIDDEN:
        return Unfit(403, error.code, error.message)
    return Unfit(200 if media == JSON_TYPE else 400, error.code, error.message)


def _covers(media: str, offer: str) -> bool:
    return media in ("*/*", offer) or (
        media.endswith("/*") and offer.startswith(media[:-1]) and media != "*/*"
    )
