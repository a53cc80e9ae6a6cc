"""Every operation document, asked by the persona it is written for, on a real ledger."""

from pathlib import Path

import pytest
from graphql import GraphQLError, OperationType, Undefined, parse

from creditchain.api.execution import Documents
from creditchain.api.schema import SCHEMA, print_sdl
from creditchain.documents import (
    DOCUMENTS,
    PERSONAS,
    document_id,
    load_operation,
    operations,
    trusted_documents,
)
from tests.unit.api.samples import variables_of
from tests.unit.api.town import officer_id, opaque, open_town

ACTORS = {
    "bank": "bank-hana",
    "agency": "agency-pearl",
    "enterprise": opaque("en", "en-acme"),
    "regulator": "regulator",
}
# Signed by a person in a role, not by the institution's own key.
BY_OFFICER = {
    "bank": {
        "RequestConsent", "PlaceOrder", "ApproveOrder", "CancelOrder", "AcknowledgeDelivery",
        "DisputeDelivery", "DecideCredit",
    },
    "agency": {"AcceptOrder", "DeclineOrder", "DeliverReport"},
}  # fmt: skip


def list_documents() -> list[Path]:
    folders = (DOCUMENTS / "operations" / persona for persona in PERSONAS)
    return sorted(path for folder in folders for path in folder.glob("*.graphql"))


@pytest.mark.parametrize("persona", PERSONAS)
async def test_each_operation_runs_as_its_persona(persona: str, tmp_path: Path):
    async with open_town(tmp_path) as town:
        consent = await town.consent()
        order = await town.placed(consent)
        failed = {}
        for path in sorted((DOCUMENTS / "operations" / persona).glob("*.graphql")):
            [definition] = parse(path.read_text()).definitions
            if definition.operation is OperationType.SUBSCRIPTION:
                continue
            actor = ACTORS[persona]
            if path.stem in BY_OFFICER.get(persona, ()):
                actor = officer_id(actor)
            variables = variables_of(town, path.stem, actor, order, consent)
            answer = (await town.post(actor, path.read_text(), variables)).json()
            if "errors" in answer:
                failed[path.stem] = answer["errors"]
            elif definition.operation is OperationType.MUTATION and path.stem != "Submit":
                [payload] = answer["data"].values()
                assert (payload["receipt"] is None) != (payload["refusal"] is None), path.stem
        assert failed == {}


def test_each_document_holds_one_operation_named_as_its_file():
    for path in list_documents():
        [definition] = parse(path.read_text()).definitions
        assert definition.name.value == path.stem


def test_each_document_is_valid_and_cheap_enough():
    documents = Documents(SCHEMA, introspection=False)
    faults: dict[str, tuple[GraphQLError, ...]] = {
        name: documents.prepare(text).errors for name, text in operations().items()
    }
    assert {name: errors for name, errors in faults.items() if errors} == {}


def test_every_root_field_has_an_operation():
    used = {
        selection.name.value
        for text in operations().values()
        for definition in parse(text).definitions
        for selection in definition.selection_set.selections
    }
    roots = (SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type)
    assert used == {name for type_ in roots for name in type_.fields}


def test_an_operation_of_several_personas_has_one_text():
    for path in list_documents():
        assert path.read_text(encoding="utf-8") == load_operation(path.stem)


def test_trusted_documents_are_cited_by_their_digest():
    text = load_operation("PlaceOrder")
    assert trusted_documents()[document_id(text)] == text
    assert len(trusted_documents()) == len(operations())


def test_the_printed_schema_is_current():
    assert (DOCUMENTS / "schema.graphql").read_text(encoding="utf-8") == print_sdl()


def test_everything_in_the_schema_says_what_it_is():
    silent = []
    for name, type_ in SCHEMA.type_map.items():
        if name.startswith("__") or name in {"String", "Int", "Boolean", "ID", "Float"}:
            continue
        if not type_.description:
            silent.append(name)
        for field_name, field in getattr(type_, "fields", {}).items():
            if not field.description:
                silent.append(f"{name}.{field_name}")
            for argument, value in getattr(field, "args", {}).items():
                if not value.description:
                    silent.append(f"{name}.{field_name}({argument})")
    assert silent == []


def test_signed_inputs_have_no_default_values():
    for name, type_ in SCHEMA.type_map.items():
        if name.endswith("Input"):
            assert all(field.default_value is Undefined for field in type_.fields.values()), name
