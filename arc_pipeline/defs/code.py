"""The code of each asset: which definitions make it, with their versions, computed from the source."""

from arc_pipeline.arc.code_version import code_version, definition_versions

# asset -> where its code begins: (module, function, what is left out)
ENTRIES: dict[str, tuple[str, str, tuple[str, ...]]] = {}
# asset -> the versions of the definitions that make it
CODE: dict[str, dict[str, str]] = {}


def asset_code(asset: str, module: str, function: str = "", leave_out: tuple[str, ...] = ()) -> str:
    """The code version of an asset that `function` of `module` makes (of the asset's name unless given)."""
    ENTRIES[asset] = (module, function or asset, leave_out)
    CODE[asset] = definition_versions(*ENTRIES[asset])
    return code_version(CODE[asset])
