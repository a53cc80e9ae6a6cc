"""Scalars: one per field kind of the events, so the schema and the signed bytes agree by design.

A value is checked by the same parser that checks events and handed on in its JSON form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, get_args, get_origin

import graphene
from stdnum.cn import uscc as uscc_number
from stdnum.exceptions import ValidationError

from creditchain.events import field, finding, records
from creditchain.events.field import Kind

BASE64URL: Final = "https://www.rfc-editor.org/rfc/rfc4648#section-5"

SPECIFIED_BY: Final = {
    "EventId": "https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7",
    "Digest": BASE64URL,
    "Salt": BASE64URL,
    "Thumbprint": "https://www.rfc-editor.org/rfc/rfc7638",
    "VerifierKey": "https://c2sp.org/signed-note",
    "Origin": "https://c2sp.org/tlog-checkpoint",
    "Currency": "https://www.iso.org/iso-4217-currency-codes.html",
    "MediaType": "https://www.rfc-editor.org/rfc/rfc6838",
    "Timestamp": "https://www.rfc-editor.org/rfc/rfc3339",
    "Count": "https://www.rfc-editor.org/rfc/rfc8785#section-3.2.2.3",
    "Positive": "https://www.rfc-editor.org/rfc/rfc8785#section-3.2.2.3",
}
"""Scalar to its `specifiedBy` address; graphene knows no such option, so the schema adds it."""


def parse_uscc(value: object) -> str:
    """A Unified Social Credit Code of 18 ASCII characters whose check digit is right."""
    # stdnum cleans its input (spaces, full-width digits); a door that compares codes must not.
    if not isinstance(value, str) or not value.isascii() or len(value) != 18:
        raise ValueError("not a Unified Social Credit Code: 18 characters")
    try:
        clean = uscc_number.validate(value)
    except ValidationError as error:
        raise ValueError(f"not a Unified Social Credit Code: {error}") from None
    if clean != value:
        raise ValueError("not a Unified Social Credit Code in its one spelling")
    return value


USCC: Final = Kind("Uscc", parse_uscc, str, "Unified Social Credit Code (GB 32100-2015)")


def _scalar(kind: Kind) -> type[graphene.Scalar]:
    parse: Callable[[object], Any] = kind.parse

    def parse_value(value: object) -> object:
        # Checked here, kept as it came: the event's own parser translates it once, with a path.
        parse(value)
        return value

    return type(
        kind.name,
        (graphene.Scalar,),
        {
            "__doc__": f"{kind.description[0].upper()}{kind.description[1:]}.",
            "serialize": staticmethod(kind.format),
            "parse_value": staticmethod(parse_value),
        },
    )


def kind_of(annotation: Any) -> Kind:
    """The field kind of an `Annotated` alias of `creditchain.events.field`."""
    assert get_origin(annotation) is Annotated
    kind = get_args(annotation)[1]
    assert isinstance(kind, Kind)
    return kind


_KINDS: Final = (
    *(
        kind_of(annotation)
        for annotation in (
            field.EventId,
            field.MemberId,
            field.OfficerId,
            field.EnterpriseId,
            field.ActorId,
            field.ProductId,
            field.Origin,
            field.Digest,
            field.Salt,
            field.Thumbprint,
            field.VerifierKey,
            field.Region,
            field.Currency,
            field.MediaType,
            field.SchemaId,
            field.Label,
            field.Timestamp,
            field.Count,
            field.Positive,
            records.RecordCount,
            finding.FindingLabel,
        )
    ),
    USCC,
)

SCALARS: Final[dict[str, type[graphene.Scalar]]] = {kind.name: _scalar(kind) for kind in _KINDS}

EventId: Final = SCALARS["EventId"]
MemberId: Final = SCALARS["MemberId"]
OfficerId: Final = SCALARS["OfficerId"]
EnterpriseId: Final = SCALARS["EnterpriseId"]
ActorId: Final = SCALARS["ActorId"]
ProductId: Final = SCALARS["ProductId"]
Origin: Final = SCALARS["Origin"]
Digest: Final = SCALARS["Digest"]
Salt: Final = SCALARS["Salt"]
Thumbprint: Final = SCALARS["Thumbprint"]
VerifierKey: Final = SCALARS["VerifierKey"]
Region: Final = SCALARS["Region"]
Currency: Final = SCALARS["Currency"]
MediaType: Final = SCALARS["MediaType"]
SchemaId: Final = SCALARS["SchemaId"]
Label: Final = SCALARS["Label"]
Timestamp: Final = SCALARS["Timestamp"]
Count: Final = SCALARS["Count"]
Positive: Final = SCALARS["Positive"]
RecordCount: Final = SCALARS["RecordCount"]
FindingLabel: Final = SCALARS["FindingLabel"]
Uscc: Final = SCALARS["Uscc"]
