"""The asset graph with the state of every partition, for a page."""

from arc_pipeline.defs.staleness.scanner import Status
from arc_pipeline.defs.upkeep.selection import without
from arc_pipeline.defs.upkeep.session import Session
from arc_pipeline.report.lineage_graph import Asset, Partition
from arc_pipeline.store.artefact import Artefact


def overview(session: Session) -> list[Asset]:
    """All assets, upstream first; experiments that are on hold are left out."""
    statuses = without(session.scanner().scan(), session.on_hold().names, ())
    return [
        Asset(
            name=key.to_user_string(),
            description=(session.graph.get(key).description or "").partition("\n\n")[0],
            group=session.graph.get(key).group_name,
            upstream=tuple(sorted(parent.to_user_string() for parent in session.graph.get(key).parent_keys)),
            partitions=tuple(
                _partition(session, status) for status in statuses if status.node.key == key.to_user_string()
            ),
        )
        for key in session.graph.toposorted_asset_keys
    ]


def _partition(session: Session, status: Status) -> Partition:
    artefact: Artefact = status.node.artefact
    record = session.store.lineage(artefact)
    version, made = (record.data_version, record.created_at) if record else ("", "")
    return Partition(artefact.partition, status.status, tuple(status.causes), version, made)
