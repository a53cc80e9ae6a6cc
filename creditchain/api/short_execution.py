"""graphql-core's execution with a short way for plain fields; the same response, byte by byte.

graphql-core asks of every field of every object what it is. Here a selection set is looked at once,
and what is plain in it (see `shortcut`) is read by functions that were made once. Whatever is not
goes the long way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, NamedTuple

from graphql import (
    ExecutionContext,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLObjectType,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    VariableNode,
    is_non_null_type,
    located_error,
)
from graphql.pyutils import Path

from creditchain.api.input_plan import Variable
from creditchain.api.shortcut import SLOW, Branch, Leaf, Shortcuts, branch_of, is_plain, read

Fields = dict[str, list[FieldNode]]
"""A selection set as graphql-core collects it: by response name, the nodes that ask for it."""


class Selection(NamedTuple):
    """The fields of one selection set by the way they go.

    `straight` are leaves, and branches that hold nothing else; `grown` branches with something to
    ask or to await in them; `slow` the rest.
    """

    fields: Fields
    straight: tuple[tuple[str, Leaf], ...]
    grown: dict[str, Branch]
    slow: Fields

    @property
    def is_straight(self) -> bool:
        """Whether an object is all it takes to answer."""
        return len(self.straight) == len(self.fields)

    def read(self, source: Any) -> Any:
        """What is straight of the response object; `SLOW` if some of it is not, after all."""
        results = {}
        for response_name, leaf in self.straight:
            value = leaf(source)
            if value is SLOW:
                return SLOW
            results[response_name] = value
        return results


class Call(NamedTuple):
    """The one root field of a mutation, every argument of it a variable: nothing to look up."""

    name: str
    nodes: list[FieldNode]
    field: GraphQLField
    branch: Branch
    arguments: tuple[tuple[str, str], ...]
    """The name that the resolver gives it, the variable's name; left out without a value."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is the same in every run of an operation."""

    root_type: GraphQLObjectType
    fragments: dict[str, FragmentDefinitionNode]
    variables: tuple[Variable, ...]
    fields: Fields | None
    """The root fields, None if directives choose them anew in each run."""
    subfields: dict[Any, Any]
    """Filled by graphql-core's own cache as runs come by; bounded by the document."""
    selections: dict[int, Selection]
    """As `subfields`, from the place in memory of the fields that each holds."""
    call: Call | None
    """The mutation, if it is as simple as mutations are."""


def plan_call(
    operation: OperationDefinitionNode, root_type: GraphQLObjectType, fields: Fields
) -> Call | None:
    """The call that a valid mutation with these root fields is, if it is one."""
    (name, nodes), *others = fields.items()
    field = root_type.fields.get(nodes[0].name.value)
    branch = None if field is None else branch_of(field, name)
    if others or field is None or branch is None or not iscoroutinefunction(field.resolve):
        return None
    given = {node.name.value: node.value for node in nodes[0].arguments}
    sure = {
        definition.variable.name.value
        for definition in operation.variable_definitions
        if isinstance(definition.type, NonNullTypeNode)
    }
    arguments = []
    for argument, item in field.args.items():
        if item.default_value is not Undefined:
            return None
        if argument in given:
            value = given[argument]
            if not isinstance(value, VariableNode):
                return None
            if is_non_null_type(item.type) and value.name.value not in sure:
                return None
            arguments.append((item.out_name or argument, value.name.value))
    return Call(name, nodes, field, branch, tuple(arguments))


def _straight_branch(branch: Branch, inside: Selection) -> Leaf:
    def leaf(source: Any) -> Any:
        value = read(source, branch.attribute)
        if value is None:
            return SLOW if branch.required else None
        if not is_plain(branch, value):
            return SLOW
        if not branch.many:
            return inside.read(value)
        items = [inside.read(item) for item in value]
        return SLOW if SLOW in items else items

    return leaf


class ShortExecution(ExecutionContext):
    """The execution of one operation."""

    shortcuts: dict[str, Shortcuts]
    plan: Plan

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.selections: dict[int, Selection] = {}

    def start(self, operation: OperationDefinitionNode, root: object) -> Any:
        """As `execute_operation`, with the root fields that are known already."""
        fields = self.plan.fields
        if fields is None:
            return self.execute_operation(operation, root)
        if self.plan.call is not None:
            return self._call(self.plan.call, root)
        if operation.operation is OperationType.MUTATION:
            return self.execute_fields_serially(self.plan.root_type, root, None, fields)
        return self.execute_fields(self.plan.root_type, root, None, fields)

    async def _call(self, call: Call, root: object) -> dict[str, Any]:
        """As `execute_fields_serially`, of one field."""
        parent_type, field, nodes = self.plan.root_type, call.field, call.nodes
        path = Path(None, call.name, parent_type.name)
        info = self.build_resolve_info(field, nodes, parent_type, path)
        values = self.variable_values
        given = {name: values[variable] for name, variable in call.arguments if variable in values}
        try:
            assert field.resolve is not None, "a call has a resolver"
            value = await field.resolve(root, info, **given)
            done = self._grow_value(call.branch, value, path, nodes)
            if done is SLOW:
                done = self.complete_value(field.type, nodes, info, path, value)
            if self.is_awaitable(done):
                done = await done
        except Exception as error:  # noqa: BLE001 - as graphql-core: told at the field
            self._fail(error, call.branch, path, nodes)
            done = None
        return {call.name: done}

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        fields: Fields,
    ) -> Any:
        """As in graphql-core: the response object of one selection set, or an awaitable of it."""
        shortcuts = self.shortcuts.get(parent_type.name)
        if shortcuts is None:
            return super().execute_fields(parent_type, source_value, path, fields)
        selection = self._selection(shortcuts, fields)
        straight = selection.read(source_value)
        if straight is SLOW or any(
            branch.required and not is_plain(branch, read(source_value, branch.attribute))
            for branch in selection.grown.values()
        ):
            # Perhaps no response object at all: then what is told of its other fields depends
            # on the order in which they are run, and that is graphql-core's to choose.
            return super().execute_fields(parent_type, source_value, path, fields)
        if selection.is_straight:
            return straight
        # The place in the response is that of the first mention, whichever way it is filled.
        results: dict[str, Any] = {**dict.fromkeys(fields), **straight}
        slow = dict(selection.slow)
        pending: list[str] = []
        rest: Any = {}
        try:
            for response_name, branch in selection.grown.items():
                nodes = fields[response_name]
                here = Path(path, response_name, parent_type.name)
                value = self._grow(branch, source_value, here, nodes)
                results[response_name] = value
                if isinstance(value, Coroutine):
                    pending.append(response_name)
                elif value is SLOW:
                    slow[response_name] = nodes
            if slow:
                rest = super().execute_fields(parent_type, source_value, path, slow)
        except Exception:
            for name in pending:
                results[name].close()
            raise
        if isinstance(rest, dict) and not pending:
            return _merged(results, rest) if slow else results
        return self._gather(results, pending, rest)

    def _selection(self, shortcuts: Shortcuts, fields: Fields) -> Selection:
        known = self.selections.get(id(fields))
        # The selection keeps its fields, so that their place in memory stays theirs.
        if known is None or known.fields is not fields:
            known = self.selections[id(fields)] = self._sort(shortcuts, fields)
        return known

    def _sort(self, shortcuts: Shortcuts, fields: Fields) -> Selection:
        straight: list[tuple[str, Leaf]] = []
        grown: dict[str, Branch] = {}
        slow: Fields = {}
        for response_name, nodes in fields.items():
            name = nodes[0].name.value
            leaf, branch = shortcuts.leaves.get(name), shortcuts.branches.get(name)
            if branch is not None:
                inside = self._selection(
                    self.shortcuts[branch.type_.name], self.collect_subfields(branch.type_, nodes)
                )
                leaf = _straight_branch(branch, inside) if inside.is_straight else None
            if leaf is not None:
                straight.append((response_name, leaf))
            elif branch is not None:
                grown[response_name] = branch
            else:
                slow[response_name] = nodes
        return Selection(fields, tuple(straight), grown, slow)

    def _grow(self, branch: Branch, source: Any, path: Path, nodes: list[FieldNode]) -> Any:
        """The response value of a branch, a coroutine of it, or `SLOW`."""
        return self._grow_value(branch, read(source, branch.attribute), path, nodes)

    def _grow_value(self, branch: Branch, value: Any, path: Path, nodes: list[FieldNode]) -> Any:
        if value is None:
            return SLOW if branch.required else None
        if not is_plain(branch, value):
            return SLOW
        grown: Any = None
        try:
            fields = self.collect_subfields(branch.type_, nodes)
            if branch.many:
                grown = self._grow_items(branch.type_, value, path, nodes, fields)
            else:
                grown = self.execute_fields(branch.type_, value, path, fields)
        except Exception as error:  # noqa: BLE001 - as graphql-core: told at the field
            self._fail(error, branch, path, nodes)
            return None
        if self.is_awaitable(grown):
            return self._await_branch(grown, branch, path, nodes)
        return grown

    def _grow_items(
        self,
        type_: GraphQLObjectType,
        values: Sequence[Any],
        path: Path,
        nodes: list[FieldNode],
        fields: Fields,
    ) -> Any:
        items: list[Any] = []
        waiting: list[int] = []
        for index, value in enumerate(values):
            here = path.add_key(index, None)
            try:
                item = self.execute_fields(type_, value, here, fields)
            except Exception as error:
                for at in waiting:
                    items[at].close()
                raise located_error(error, nodes, here.as_list()) from error
            if isinstance(item, Coroutine):
                waiting.append(index)
                item = self._await_item(item, here, nodes)
            items.append(item)
        return self._gather_items(items, waiting) if waiting else items

    async def _await_item(self, item: Any, path: Path, nodes: list[FieldNode]) -> Any:
        try:
            return await item
        except Exception as error:
            raise located_error(error, nodes, path.as_list()) from error

    async def _gather_items(self, items: list[Any], waiting: list[int]) -> list[Any]:
        done = await asyncio.gather(*(items[index] for index in waiting))
        for index, item in zip(waiting, done, strict=True):
            items[index] = item
        return items

    async def _await_branch(
        self, grown: Any, branch: Branch, path: Path, nodes: list[FieldNode]
    ) -> Any:
        try:
            return await grown
        except Exception as error:  # noqa: BLE001 - as graphql-core: told at the field
            self._fail(error, branch, path, nodes)
            return None

    def _fail(self, error: Exception, branch: Branch, path: Path, nodes: list[FieldNode]) -> None:
        self.handle_field_error(
            located_error(error, nodes, path.as_list()), branch.return_type, path
        )

    async def _gather(self, results: dict[str, Any], pending: list[str], rest: Any) -> Any:
        waiting = [results[name] for name in pending]
        if not isinstance(rest, dict):
            waiting.append(rest)
        done = await asyncio.gather(*waiting)
        if not isinstance(rest, dict):
            rest = done.pop()
        results.update(zip(pending, done, strict=True))
        return _merged(results, rest)


def _merged(results: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    results.update(rest)
    # A field that graphql-core left out is unknown to the type; validation has refused it before.
    assert SLOW not in results.values(), "every field has gone one way"
    return results
