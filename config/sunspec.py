"""Where the points of a SunSpec device lie: a profile whose addresses count within models becomes one with
constant addresses, once the device's models are known. Pure.

Rules:
- Of the models that a point names, the first of the profile's list that the device has counts; of several
  points of one quantity, the first that has such a model. Of two models of one number, the lower one.
- A model that is too short for a point (an older edition of it) does not hold the point.
- What the device does not have is left out. What it leaves empty within a model, its patterns tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from config.catalogue import point_span, register_count
from config.profile import DeviceProfile, Identity, Point
from protocols.sunspec import HEAD_REGISTERS, Model


def has_models(profile: DeviceProfile) -> bool:
    """Whether addresses of this profile count within SunSpec models."""
    return any(point.models for point in profile.points)


def models_of(profile: DeviceProfile) -> frozenset[int]:
    """The numbers of all models that points of this profile may lie in."""
    return frozenset(number for point in profile.points for number in point.models)


def resolve(profile: DeviceProfile, models: Sequence[Model]) -> DeviceProfile:
    """The profile with the addresses that it has in a device with these models, and without what that device
    does not have: perhaps without any point, or without an identity."""
    first = _by_number(models)
    points: dict[str, Point] = {}
    for point in profile.points:
        placed = _place_point(point, first)
        if placed is not None:
            points.setdefault(point.quantity, placed)
    identity = None if profile.identity is None else _place_identity(profile.identity, first)
    return msgspec.structs.replace(profile, points=tuple(points.values()), identity=identity)


def used_models(points: Sequence[Point], models: Sequence[Model]) -> tuple[Model, ...]:
    """Those of the device's models in which these points with constant addresses lie."""
    return tuple(
        model for model in models if any(model.address <= point.address < _end(model) for point in points)
    )


def _by_number(models: Iterable[Model]) -> dict[int, Model]:
    first: dict[int, Model] = {}
    for model in models:
        first.setdefault(model.id, model)
    return first


def _place_point(point: Point, models: dict[int, Model]) -> Point | None:
    if not point.models:
        return point
    model = _holder(point.models, point_span(point)[1], models)
    if model is None:
        return None
    scale = point.scale_register
    if scale is not None:
        scale = msgspec.structs.replace(scale, address=model.address + scale.address)
    return msgspec.structs.replace(
        point, models=(), address=model.address + point.address, scale_register=scale
    )


def _place_identity(identity: Identity, models: dict[int, Model]) -> Identity | None:
    if not identity.models:
        return identity
    model = _holder(identity.models, identity.address + register_count(identity), models)
    if model is None:
        return None
    return msgspec.structs.replace(identity, models=(), address=model.address + identity.address)


def _holder(numbers: Sequence[int], end: int, models: dict[int, Model]) -> Model | None:
    """The first of these models that the device has, and that goes as far as `end`."""
    for number in numbers:
        model = models.get(number)
        if model is not None and end <= HEAD_REGISTERS + model.length:
            return model
    return None


def _end(model: Model) -> int:
    return model.address + HEAD_REGISTERS + model.length
