"""The printed schema is current, explains itself, and knows no name of a person or enterprise."""

from __future__ import annotations

from graphql import GraphQLObjectType

from creditchain.documents import DOCUMENTS
from creditchain.querying.sdl import write_or_check
from regulator.door.schema import SCHEMA, print_sdl


def test_the_printed_schema_is_current():
    assert (DOCUMENTS / "observer.graphql").read_text(encoding="utf-8") == print_sdl()


def test_a_schema_that_is_not_current_is_told(tmp_path, capsys):
    path = tmp_path / "x.graphql"
    assert write_or_check("type Query", path, ["--check"], "x") == 1
    assert write_or_check("type Query", path, [], "x") == 0
    assert write_or_check("type Query", path, ["--check"], "x") == 0
    assert write_or_check("type Other", path, ["--check"], "x") == 1
    assert write_or_check("type Query", path, ["--what"], "x") == 2
    assert "make schema" in capsys.readouterr().err


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


def test_no_field_tells_a_name_of_a_person_or_an_enterprise():
    for name in ("Officer", "Enterprise", "Objection", "Asking", "Look"):
        type_ = SCHEMA.type_map[name]
        assert isinstance(type_, GraphQLObjectType)
        assert type_.fields.keys().isdisjoint({"name", "uscc", "statement", "answer", "words"}), (
            name
        )
    assert "Uscc" not in SCHEMA.type_map
