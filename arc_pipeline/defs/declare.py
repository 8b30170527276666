"""Declares an asset where its function stands. Reads no file: it gets its partitions when definitions are built."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import dagster as dg

from arc_pipeline.defs.partitions import Mapper, Partitioning, Partitions
from arc_pipeline.defs.policy import FOLLOWS_ITS_DATA
from arc_pipeline.store.code_cache import kept_code_of
from arc_pipeline.store.code_version import Code

# asset -> where its code begins: (module, function). Without an entry an asset is known by its content alone
ENTRIES: dict[str, tuple[str, str]] = {}
OWN_FUNCTION = ("", "")


@dataclass(frozen=True, eq=False)
class DeclaredAsset:
    """An asset as it is declared; `options` are what `dg.asset` takes."""

    name: str
    function: Callable[..., Any]
    by: Partitioning | None = None
    deps: Sequence["DeclaredAsset | MappedAsset"] = ()
    checks: Mapping[str, str] = field(default_factory=dict)
    blocking: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> dg.AssetKey:
        """Its key."""
        return dg.AssetKey(self.name)

    def mapped(self, mapper: Mapper) -> "MappedAsset":
        """This asset as an upstream whose partitions are others."""
        return MappedAsset(self, mapper)

    def build(self, partitions: Partitions) -> dg.AssetsDefinition:
        """The asset of a project."""
        definition = partitions.by[self.by] if self.by else None
        checks = [
            dg.AssetCheckSpec(name, asset=self.key, description=fact, blocking=self.blocking, partitions_def=definition)
            for name, fact in self.checks.items()
        ]
        code = asset_code(self.name)
        return dg.asset(
            name=self.name,
            partitions_def=definition,
            deps=[dep.build(partitions) if isinstance(dep, MappedAsset) else dep.key for dep in self.deps],
            check_specs=checks or None,
            code_version=code.version if code else None,
            **self.options,
        )(self.function)


@dataclass(frozen=True)
class MappedAsset:
    """An upstream asset, and which of its partitions are upstream of which."""

    upstream: DeclaredAsset
    mapper: Mapper

    def build(self, partitions: Partitions) -> dg.AssetDep:
        """The dependency in a project."""
        return dg.AssetDep(self.upstream.key, partition_mapping=self.mapper(partitions))


def asset(
    group: str,
    by: Partitioning | None = None,
    deps: Sequence[DeclaredAsset | MappedAsset] = (),
    kinds: Collection[str] = ("parquet",),
    checks: Mapping[str, str] | None = None,
    blocking: bool = False,
    automation: dg.AutomationCondition[Any] | None = FOLLOWS_ITS_DATA,
    entry: tuple[str, str] | None = OWN_FUNCTION,
    **options: Any,
) -> Callable[[Callable[..., Any]], DeclaredAsset]:
    """Declares the function below as an asset: a cheap table that follows its data, where nothing else is said.

    `checks` are names with what they check. `entry` is where the code begins that its code version goes by, None where
    the content says all. The other options are those of `dg.asset`.
    """
    options |= {"group_name": group, "kinds": {*kinds}, "automation_condition": automation}

    def declare(function: Callable[..., Any]) -> DeclaredAsset:
        name = options.pop("name", function.__name__)
        if entry:
            ENTRIES[name] = (function.__module__, function.__name__) if entry == OWN_FUNCTION else entry
        return DeclaredAsset(name, function, by, deps, checks or {}, blocking, options)

    return declare


def facts(*checks: Callable[..., Any]) -> dict[str, str]:
    """The names of checks, each with what its docstring says."""
    return {check.__name__: check.__doc__ or "" for check in checks}


@cache
def asset_code(asset: str) -> Code | None:
    """The code that makes an asset: its version and definitions, computed from the source. None if content says all."""
    return kept_code_of(*ENTRIES[asset], asset) if asset in ENTRIES else None


def definitions_of(asset: str) -> dict[str, str]:
    """The definitions that make an asset, each with its hash; empty for one that is known by its content alone."""
    code = asset_code(asset)
    return code.definitions if code else {}
