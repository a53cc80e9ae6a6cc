"""A changed record is what dataclasses.replace makes of it."""

import dataclasses

import pytest

from creditchain.rulebook.change import replace
from tests.unit.rulebook.test_record_json import WRITTEN


def test_a_record_is_changed_as_dataclasses_do_it():
    for record in WRITTEN:
        for field in dataclasses.fields(record):
            changes = {field.name: "other", "id": "another"}
            assert replace(record, **changes) == dataclasses.replace(record, **changes)
        assert replace(record) == record


def test_there_is_no_change_to_a_field_that_is_not_there():
    with pytest.raises(KeyError, match="colour"):
        replace(WRITTEN[0], colour="red")
