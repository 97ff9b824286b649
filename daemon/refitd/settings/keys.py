"""The keys there are, by their dotted names, read from the forms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from refitd.settings.form import FileForm


def keys(form: type[BaseModel] | None) -> dict[str, Any]:
    fields = form.model_fields.items() if form else ()
    return {field.alias or name: field.annotation for name, field in fields}


def form_at(path: Sequence[str]) -> type[BaseModel] | None:
    form: type[BaseModel] | None = FileForm
    steps = iter(path)
    for step in steps:
        form = _form_in(keys(form).get(step))
        if step == "target":
            next(steps, None)
    return form


def _form_in(annotation: Any) -> type[BaseModel] | None:
    """The form in `HttpForm | None` or `dict[str, TargetForm]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_form_in, get_args(annotation))), None)


def all_keys(form: type[BaseModel], above: str = "") -> Iterator[str]:
    for name, annotation in keys(form).items():
        yield above + name
        if below := _form_in(annotation):
            yield from all_keys(below, f"{above}{name}." + ("NAME." if name == "target" else ""))
