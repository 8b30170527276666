"""What a page says of the assets of a project: all of them, upstream first, each with the state of its partitions."""

from arc_pipeline.defs.upkeep.overview import overview


def test_every_asset_with_the_state_of_its_partitions(faked) -> None:
    faked.write("one")
    session = faked.load()
    session.refresh(["tasks"])
    assets = overview(session)
    found = {asset.name: asset for asset in assets}
    assert found.keys() == {key.to_user_string() for key in session.graph.get_all_asset_keys()}
    assert all(asset.description for asset in assets)
    place = {asset.name: number for number, asset in enumerate(assets)}
    assert all(place[parent] < place[asset.name] for asset in assets for parent in asset.upstream)
    [tasks] = found["tasks"].partitions
    assert (tasks.name, tasks.status, bool(tasks.version), bool(tasks.made)) == ("mirror", "fresh", True, True)
    [checkpoint] = found["checkpoint"].partitions
    assert (checkpoint.name, checkpoint.status, checkpoint.version) == ("one", "missing", "")
    assert "was never materialized" in checkpoint.causes
    assert len(found["predictions"].partitions) == 2
