"""Declares an asset where its function stands. Reads no file: it gets its partitions when definitions are built."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, wraps
from inspect import Signature, getsourcefile, getsourcelines, signature
from typing import Any, TypeAlias

import dagster as dg

from arc_pipeline.defs.partitions import Mapper, Partitioning, Partitions
from arc_pipeline.defs.policy import FOLLOWS_ITS_DATA
from arc_pipeline.store.code_cache import kept_code_of
from arc_pipeline.store.code_version import Code

# asset -> where its code begins: (module, function). Without an entry an asset is known by its content alone
ENTRIES: dict[str, tuple[str, str]] = {}
OWN_FUNCTION = ("", "")
# the check that every asset has: whether what it was made from is as it was
IS_CURRENT = "is_current"
CURRENT_WORDS = "What it was made from is as it was: its data, its settings, its code. Looked at after every run."
Verdict: TypeAlias = Callable[[dg.AssetExecutionContext], dg.AssetCheckResult]


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

    def build(self, partitions: Partitions, verdict: Verdict) -> dg.AssetsDefinition:
        """The asset of a project; `verdict` is whether what a step has just made is current."""
        definition = partitions.by[self.by] if self.by else None
        checks = [
            dg.AssetCheckSpec(name, asset=self.key, description=fact, blocking=self.blocking, partitions_def=definition)
            for name, fact in self.checks.items()
        ]
        checks.append(
            dg.AssetCheckSpec(IS_CURRENT, asset=self.key, description=CURRENT_WORDS, partitions_def=definition)
        )
        code = asset_code(self.name)

        @wraps(self.function)
        def make(context: dg.AssetExecutionContext, *resources: Any, **named: Any) -> dg.MaterializeResult[None]:
            made = self.function(context, *resources, **named)
            return made._replace(check_results=[*made.check_results, verdict(context)])

        # with a check it has two outputs, and Dagster would want an annotation that says so
        make.__annotations__ = {name: of for name, of in make.__annotations__.items() if name != "return"}
        unannotated = signature(self.function).replace(return_annotation=Signature.empty)
        vars(make)["__signature__"] = unannotated
        return dg.asset(
            name=self.name,
            partitions_def=definition,
            deps=[dep.build(partitions) if isinstance(dep, MappedAsset) else dep.key for dep in self.deps],
            check_specs=checks,
            code_version=code.version if code else None,
            metadata=_place(self.function),
            **self.options,
        )(make)


def _place(function: Callable[..., Any]) -> dict[str, Any]:
    """Where the code of an asset stands, for the UI."""
    place = dg.LocalFileCodeReference(file_path=getsourcefile(function) or "", line_number=getsourcelines(function)[1])
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[place])}


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
