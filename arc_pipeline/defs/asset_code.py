"""The code of each asset: which definitions make it, with their versions, computed from the source."""

from arc_pipeline.store.code_version import Code, code_of

# asset -> where its code begins: (module, function)
ENTRIES: dict[str, tuple[str, str]] = {}
CODE: dict[str, Code] = {}


def asset_code(asset: str, module: str, function: str = "") -> str:
    """The code version of an asset that `function` of `module` makes (of the asset's name unless given)."""
    ENTRIES[asset] = (module, function or asset)
    CODE[asset] = code_of(*ENTRIES[asset], asset)
    return CODE[asset].version


def definitions_of(asset: str) -> dict[str, str]:
    """The definitions that make an asset, each with its hash; empty for one that is known by its content alone."""
    return CODE[asset].definitions if asset in CODE else {}
