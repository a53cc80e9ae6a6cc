"""Mutations: one per line of `ACTIONS`, and `submit` for many events at once."""

from __future__ import annotations

from typing import Any, Final

import graphene

from creditchain.api.action import ACTIONS, Action, Extra
from creditchain.api.schema.code import ReceiptLevel, ReceiptLevels
from creditchain.api.schema.consent import Consent
from creditchain.api.schema.enterprise import Enterprise
from creditchain.api.schema.field import Info, many, maybe, maybe_many, one
from creditchain.api.schema.finding import Finding
from creditchain.api.schema.input import (
    EnterpriseNameInput,
    OfficerNameInput,
    SealInput,
    StatementInput,
    input_of,
)
from creditchain.api.schema.inspection import Case, Identity, Look, ObjectionWords
from creditchain.api.schema.log import Receipt, RefusalNote
from creditchain.api.schema.member import Consortium, Member, Officer
from creditchain.api.schema.objection import Erasure, Objection
from creditchain.api.schema.order import Order
from creditchain.api.schema.product import Product
from creditchain.api.schema.records import RecordBatch
from creditchain.querying import scalar
from creditchain.rulebook import record

_OBJECT_OF: Final[dict[type[record.Record], Any]] = {
    record.Consortium: Consortium,
    record.Member: Member,
    record.Officer: Officer,
    record.Enterprise: Enterprise,
    record.Product: Product,
    record.Consent: Consent,
    record.Order: Order,
    record.RecordBatch: RecordBatch,
    record.Objection: Objection,
    record.Erasure: Erasure,
    record.Finding: Finding,
    record.Case: Case,
    record.Look: Look,
}

_EXTRA: Final[dict[Extra, tuple[str, Any, str]]] = {
    Extra.OFFICER_NAME: ("directory", OfficerNameInput, "The row for the directory."),
    Extra.ENTERPRISE_NAME: ("directory", EnterpriseNameInput, "The row for the directory."),
    Extra.STATEMENT: ("statement", StatementInput, "The words for the directory."),
}


_SHOWN: Final[dict[type[record.Record], dict[str, Any]]] = {
    record.Look: {
        "identities": maybe_many(
            Identity, "Who they are; null when the case was closed since the look."
        ),
        "words": maybe_many(ObjectionWords, "The words read along; null as the identities are."),
    }
}
"""What a mutation shows beside the record, the receipt and the refusal."""


class SubmittedEvent(graphene.ObjectType):
    """The answer to one of the events of `submit`."""

    type = maybe(graphene.String, "Its type, if it could be read.")
    id = maybe(scalar.EventId, "Its id, if it could be read.")
    receipt = maybe(Receipt, "Evidence that it is on the log.")
    refusal = maybe(RefusalNote, "Why it is not.")


def _payload(action: Action) -> Any:
    name = action.mutation[0].upper() + action.mutation[1:]
    return type(
        f"{name}Payload",
        (graphene.ObjectType,),
        {
            "__doc__": f"The answer to {action.mutation}: a receipt, or a refusal.",
            action.field: maybe(_OBJECT_OF[action.kind], "The record after the event."),
            "receipt": maybe(Receipt, "Evidence that the event is on the log."),
            "refusal": maybe(RefusalNote, "Why it is not."),
            **_SHOWN.get(action.kind, {}),
        },
    )


def _resolver(action: Action) -> Any:
    argument = action.argument
    extra = None if action.extra is None else _EXTRA[action.extra][0]

    async def resolve(_root: object, info: Info, seal: dict[str, Any], **arguments: Any) -> object:
        return await info.context.act(
            action,
            arguments[argument],
            seal,
            None if extra is None else arguments[extra],
            arguments.get("wait_for") or ReceiptLevels.CHECKPOINTED,
        )

    return resolve


def _field(action: Action) -> graphene.Field:
    name = action.mutation[0].upper() + action.mutation[1:]
    arguments: dict[str, Any] = {
        action.argument: graphene.Argument(
            input_of(action.body, f"{name}Input"),
            required=True,
            description="The body of the event, exactly as signed.",
        ),
        "seal": graphene.Argument(SealInput, required=True, description="The seal of the event."),
        "wait_for": graphene.Argument(
            ReceiptLevel,
            description="The least level to answer at; CHECKPOINTED if left out.",
        ),
    }
    if action.extra is not None:
        extra, type_, text = _EXTRA[action.extra]
        arguments[extra] = graphene.Argument(type_, required=True, description=text)
    return one(_payload(action), action.text, args=arguments, resolver=_resolver(action))


async def _submit(_root: object, info: Info, events: list[str]) -> object:
    return await info.context.submit_bodies(events)


Mutation: Final = type(
    "Mutation",
    (graphene.ObjectType,),
    {
        "__doc__": "What can be said on the chain; the caller signs every event itself.",
        **{action.mutation: _field(action) for action in ACTIONS},
        "submit": many(
            SubmittedEvent,
            "Many signed events at once, answered one by one in their order.",
            args={
                "events": graphene.Argument(
                    graphene.List(graphene.NonNull(graphene.String)),
                    required=True,
                    description="The canonical body of each event; at most 64.",
                )
            },
            resolver=_submit,
        ),
    },
)
