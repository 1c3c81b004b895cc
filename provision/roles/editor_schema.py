"""A JSON schema of inventories for editors: applications, and the parameters of all roles, with their documentation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema
from pydantic_core import core_schema

from provision.apps.app_model import App
from provision.apps.used_services import Use
from provision.declared.role_folders import names
from provision.inventory.sealed_variables import PARTS_OF_APPS
from provision.roles.docs import declared
from provision.roles.params import Params
from provision.roles.role_model import find

#: JSON Schema 2020-12 is newer than what yaml-language-server reads
DIALECT = "http://json-schema.org/draft-07/schema#"
TEMPLATE = {"type": "string", "pattern": r"\{\{|\{%"}
#: short forms that a model's own validator turns into the long one
SHORT = {"type": ["string", "number", "boolean", "array"]}
ANYTHING: dict[str, Any] = {}


class InventorySchema(GenerateJsonSchema):
    """Describes values as the inventory may have them: templates, short forms, secrets."""

    def is_instance_schema(self, schema: core_schema.IsInstanceSchema) -> dict[str, Any]:
        """Return a secret: text, or a reference (`!secret`), which is a mapping."""
        return {"type": ["string", "object"]}

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> dict[str, Any]:
        """Return a value that may have a short form."""
        return {"anyOf": [super().function_before_schema(schema), SHORT]}

    def model_schema(self, schema: core_schema.ModelSchema) -> dict[str, Any]:
        """Return a model, with the documentation below its parameters."""
        found = super().model_schema(schema)
        model = schema["cls"]
        # a model's own validator is within it: what is said of its keys belongs to the long form
        long = found["anyOf"][0] if "anyOf" in found else found
        if long is not found and "additionalProperties" in found:
            long["additionalProperties"] = found.pop("additionalProperties")
        if model is Use:
            # {postgres: db1}: the key is the role
            found["anyOf"].append({"type": "object"})
        written = dict(declared(model)) if issubclass(model, Params) else {}
        for name, value in long.get("properties", {}).items():
            doc = value.pop("description", "") or written.get(name, ("", ""))[1]
            value.pop("title", None)
            long["properties"][name] = {"anyOf": [value, TEMPLATE], **({"description": doc} if doc else {})}
        return found

    def emit_warning(self, kind: Any, detail: str) -> None:
        """Keep quiet: a default that JSON cannot write is left out."""


def inventory_schema(folders: Sequence[Path], *, variables_only: bool, prefix: str = "") -> dict[str, Any]:
    """Return the schema of an inventory's YAML file, or of a file in group_vars/ and host_vars/.

    folders: where roles are looked for.  prefix: of the variables that are prov's own.
    Raises ConfigError for a role that cannot be imported.
    """
    found = {name: find(name, folders) for name in names(folders)}
    roles = {name: role.params for name, role in found.items() if role and role.params}
    mode: JsonSchemaMode = "validation"
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(App, mode)]
    models += [(model, mode) for model in roles.values()]
    by_model, whole = models_json_schema(
        models, schema_generator=InventorySchema, ref_template="#/definitions/{model}"
    )
    definitions = whole.get("$defs", {})
    application = definitions[by_model[App, mode]["$ref"].rpartition("/")[2]]
    without_key(application)
    properties: dict[str, Any] = {
        "roles": {
            "anyOf": [{"type": "array", "items": {"type": "string"}, "uniqueItems": True}, TEMPLATE],
            "description": f"Roles of the host: {', '.join(names(folders))}.",
        },
        "apps": {
            "anyOf": [{"type": "object", "additionalProperties": by_model[App, mode]}, TEMPLATE],
            "description": "Applications by their names.",
        },
        **{
            name: {
                "anyOf": [{"type": "object"}, TEMPLATE],
                "description": f"Settings of applications that are laid over those of `apps`: {whose}",
            }
            for name, whose in zip(PARTS_OF_APPS, ("a group's.", "a host's, over the group's."), strict=True)
        },
    }
    for name, model in roles.items():
        properties[name] = {"anyOf": [by_model[model, mode], TEMPLATE, {"type": "null"}]}
        if model.__doc__:
            properties[name]["description"] = model.__doc__.partition("\n")[0]
    definitions |= {
        "variables": {
            "type": ["object", "null"],
            "properties": {prefix + name: each for name, each in properties.items()},
            "additionalProperties": ANYTHING,
        },
        "group": {
            "type": ["object", "null"],
            "properties": {
                "hosts": {
                    "type": ["object", "null"],
                    "additionalProperties": {"$ref": "#/definitions/variables"},
                },
                "children": {
                    "type": ["object", "null"],
                    "additionalProperties": {"$ref": "#/definitions/group"},
                },
                "vars": {"$ref": "#/definitions/variables"},
            },
            "additionalProperties": False,
        },
    }
    if variables_only:
        top: dict[str, Any] = {"$ref": "#/definitions/variables"}
    else:
        top = {"type": ["object", "null"], "additionalProperties": {"$ref": "#/definitions/group"}}
    return {"$schema": DIALECT, "allOf": [top], "definitions": definitions}


def without_key(application: dict[str, Any]) -> None:
    """Leave out the name of an application, which is the key above it."""
    for model in (application, *application.get("anyOf", ())):
        model.get("properties", {}).pop("name", None)
        if "required" in model:
            model["required"] = [name for name in model["required"] if name != "name"]
