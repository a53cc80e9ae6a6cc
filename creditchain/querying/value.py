"""Object types of what events carry, the same at every door: keys, money, grounds, sections."""

from __future__ import annotations

import graphene

from creditchain.events import codes
from creditchain.events.key import ALGORITHMS
from creditchain.events.key import PublicKey as PublicKeyValue
from creditchain.querying import scalar
from creditchain.querying.code import CODES
from creditchain.querying.field import maybe, maybe_many, one
from creditchain.rulebook import record


class PublicKey(graphene.ObjectType):
    """A public key as a JSON Web Key; `alg` says what it may be used for."""

    alg = one(graphene.String, "Ed25519, ES256 or HPKE-X25519.")
    kty = one(graphene.String, "OKP or EC.")
    crv = one(graphene.String, "Ed25519, P-256 or X25519.")
    x = one(graphene.String, "The x coordinate, base64url.")
    y = maybe(graphene.String, "The y coordinate, base64url; P-256 only.")

    def resolve_kty(key: PublicKeyValue, info: object) -> str:
        return ALGORITHMS[key.alg][0]

    def resolve_crv(key: PublicKeyValue, info: object) -> str:
        return ALGORITHMS[key.alg][1]


class Key(graphene.ObjectType):
    """A registered key and the time in which it counts."""

    kid = one(scalar.Thumbprint, "RFC 7638 thumbprint: the key's name wherever it is cited.")
    key = one(PublicKey, "The key itself.")
    use = one(CODES[codes.KeyUse], "To sign events with, or to have reports sealed to.")
    added_at = one(scalar.Timestamp, "From when on it counts.")
    expires_at = maybe(scalar.Timestamp, "When it ends by itself.")
    revoked_at = maybe(scalar.Timestamp, "When it was revoked.")
    compromised_since = maybe(
        scalar.Timestamp, "From when on it may have been in other hands, as its owner says."
    )

    def resolve_use(key: record.Key, info: object) -> codes.KeyUse:
        return key.key.use


class Money(graphene.ObjectType):
    """An amount in minor units: 12345 CNY is 123.45 yuan."""

    amount = one(scalar.Count, "Minor units.")
    currency = one(scalar.Currency, "ISO 4217 code.")


class Ground(graphene.ObjectType):
    """The law or ruling that stands in for consent."""

    code = one(CODES[codes.LawfulGround], "Which.")
    document = one(scalar.Digest, "Fingerprint of the document.")


class DeliveredSection(graphene.ObjectType):
    """A section of the report."""

    section = one(CODES[codes.Section], "Which.")
    fingerprint = one(scalar.Digest, "Its salted fingerprint.")
    batches = maybe_many(scalar.EventId, "The record batches its lines cite.")
