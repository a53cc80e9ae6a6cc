"""Input types, generated from the event classes: what is typed is exactly what is signed.

A signed input has no default values and no field that the event does not have, so nothing is added
to what was signed. A resolver gets plain dicts with the JSON names, ready for `parse_fields`.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, get_args, get_origin

import graphene

from creditchain.api.schema.code import CODES
from creditchain.events.field import fields_of
from creditchain.events.key import PublicKey
from creditchain.querying import scalar

FIELD_TEXTS: Final = {
    "agencies": "The agencies that may be asked, sorted.",
    "amount": "The amount.",
    "answerBy": "Until when the member must answer.",
    "asOf": "The time at which the records were true.",
    "authority": "Fingerprint of the paper that proves the person's authority.",
    "batch": "The record batch.",
    "batches": "The record batches its lines cite, sorted.",
    "case": "The inspection case.",
    "ciphertext": "SHA-256 of the sealed bytes.",
    "code": "The code that applies.",
    "commitment": "SHA-256 of the body, as the entry holds it.",
    "compromisedSince": "From when on the key may have been in other hands.",
    "consent": "The consent.",
    "count": "How many records the root covers.",
    "currency": "ISO 4217 code.",
    "decision": "How the lending decision went.",
    "document": "Fingerprint of the document.",
    "dueWithinMs": "Milliseconds from admission within which an order must be answered.",
    "enterprise": "The enterprise.",
    "entries": "Indexes of the entries concerned, ascending; the first 256.",
    "expiresAt": "When the key ends by itself.",
    "filing": "The filing number with the supervisor.",
    "finding": "The finding: as asked, its digest; then the id of the event that asked.",
    "findings": "Digests of the findings it follows up, sorted.",
    "fingerprint": "Salted fingerprint of the plaintext.",
    "form": "What it is in law; an enterprise if left out.",
    "grantee": "The member that may order.",
    "ground": "The ground it rests on.",
    "holder": "The member that holds the section objected to.",
    "identity": "Salted fingerprint of the directory row.",
    "index": "The index of the entry.",
    "key": "The key.",
    "kind": "What the member does on the chain.",
    "matter": "What it is about.",
    "mediaType": "Media type of the plaintext.",
    "member": "The member.",
    "missing": "Sections ordered and not delivered, with the reason.",
    "name": "The name.",
    "notice": "Number of the notice of inspection.",
    "objection": "The objection.",
    "objections": "Objections of these subjects whose words are read along, sorted.",
    "officer": "The officer.",
    "opened": "Fingerprint of what the orderer opened, if anything.",
    "order": "The order.",
    "outcome": "What came of it.",
    "pack": "The rule pack and its version.",
    "price": "The price of one report.",
    "product": "The product, agency/name.",
    "purpose": "Why the report is asked for.",
    "purposes": "The purposes it may be ordered for, sorted.",
    "reason": "The reason.",
    "region": "GB/T 2260 code of the region.",
    "reply": "What the member says to it.",
    "replacement": "The batch that stands in its place.",
    "report": "The sealed report; absent when nothing was found.",
    "roles": "What the officer may do, sorted.",
    "root": "RFC 6962 root over the salted record fingerprints.",
    "schema": "The JSON Schema of the plaintext.",
    "sealTo": "Thumbprint of the orderer's key to which the report must be sealed.",
    "sealedTo": "Thumbprint of the key to which the report was sealed.",
    "section": "The section.",
    "sections": "The sections, sorted.",
    "severity": "How heavy it weighs.",
    "size": "Number of sealed bytes.",
    "statement": "Salted fingerprint of the words, which live in the directory.",
    "subject": "The officer or enterprise whose row is meant.",
    "subjects": "The officers and enterprises to be named, sorted.",
    "terms": "The terms, whole: the signature must cover what was shown.",
    "usesMax": "How many orders may rest on it.",
    "validFrom": "From this time on.",
    "validUntil": "Up to, not including, this time.",
    "version": "The version of the law.",
}
"""What a field of an input says to the one who fills it in."""


class PublicKeyInput(graphene.InputObjectType):
    """A public key as a JSON Web Key whose `alg` says what it may be used for."""

    class Meta:
        container = dict

    alg = graphene.String(required=True, description="Ed25519, ES256 or HPKE-X25519.")
    crv = graphene.String(required=True, description="Ed25519, P-256 or X25519.")
    kty = graphene.String(required=True, description="OKP or EC.")
    x = graphene.String(required=True, description="The x coordinate, base64url.")
    y = graphene.String(description="The y coordinate, base64url; P-256 only.")


_INPUTS: Final[dict[type[Any], Any]] = {PublicKey: PublicKeyInput}


def input_of(cls: type[Any], name: str) -> Any:
    """The input type `name` with the fields of an event class or a value nested in one."""
    if cls not in _INPUTS:
        attributes: dict[str, Any] = {
            "Meta": type("Meta", (), {"container": dict, "name": name}),
            "__doc__": " ".join((cls.__doc__ or "").split()).replace("`", ""),
        }
        for item in fields_of(cls):
            attributes[item.json_name] = graphene.InputField(
                _type_of(item.annotation),
                required=not item.optional,
                description=FIELD_TEXTS[item.json_name],
            )
        _INPUTS[cls] = type(name, (graphene.InputObjectType,), attributes)
    return _INPUTS[cls]


def _type_of(annotation: Any) -> Any:
    if get_origin(annotation) is Annotated:
        return scalar.SCALARS[scalar.kind_of(annotation).name]
    if get_origin(annotation) is tuple:
        return graphene.List(graphene.NonNull(_type_of(get_args(annotation)[0])))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return CODES[annotation]
    assert is_dataclass(annotation)
    nested: Any = annotation
    return input_of(nested, f"{nested.__name__}Input")


class SealInput(graphene.InputObjectType):
    """The seal of one event: with the body's fields, everything the signature covers."""

    class Meta:
        container = dict

    id = graphene.InputField(
        scalar.EventId, required=True, description="UUIDv7 of the event; its idempotency key."
    )
    by = graphene.InputField(
        scalar.ActorId, required=True, description="The actor whose key signed."
    )
    signedAt = graphene.InputField(  # noqa: N815 - the name in the signed JSON
        scalar.Timestamp, required=True, description="The signer's clock."
    )
    salt = graphene.InputField(
        scalar.Salt, required=True, description="128 random bits, so a commitment says nothing."
    )
    proof = graphene.String(
        required=True,
        description="The detached JWS, or the JSON text of a passkey assertion.",
    )


class OfficerNameInput(graphene.InputObjectType):
    """The directory row of an officer; its fingerprint is the event's `identity`."""

    class Meta:
        container = dict

    name = graphene.InputField(scalar.Label, required=True, description="The officer's name.")
    salt = graphene.InputField(
        scalar.Salt, required=True, description="The salt of the fingerprint."
    )


class EnterpriseNameInput(graphene.InputObjectType):
    """The directory row of an enterprise; its fingerprint is the event's `identity`."""

    class Meta:
        container = dict

    name = graphene.InputField(scalar.Label, required=True, description="The registered name.")
    uscc = graphene.InputField(
        scalar.Uscc, required=True, description="Unified Social Credit Code."
    )
    salt = graphene.InputField(
        scalar.Salt, required=True, description="The salt of the fingerprint."
    )


class StatementInput(graphene.InputObjectType):
    """The words of an objection or its answer; their fingerprint is the event's `statement`."""

    class Meta:
        container = dict

    text = graphene.String(required=True, description="The words, at most 4,000 characters.")
    salt = graphene.InputField(
        scalar.Salt, required=True, description="The salt of the fingerprint."
    )
