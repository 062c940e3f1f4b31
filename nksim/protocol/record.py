"""The record that every part of a protocol file is, and how its values are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Record(BaseModel):
    """A frozen record of the file; unknown keys are faults."""

    # Only the whole protocol is ever validated: its parts need no validators of their own.
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)


@dataclass(frozen=True)
class Read:
    """Has a value read by a function alone.

    pydantic's `PlainValidator` also works out how the type could be written, which no one asks for and which costs
    every start of the program more time than all the rest of the model.
    """

    func: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.func)
