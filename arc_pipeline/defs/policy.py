"""What holds for assets in general: when they are made by themselves, tags and states of runs. Knows no asset."""

import dagster as dg

# for stages that cost seconds. `eager` alone would follow an upstream that was made again with the same data.
FOLLOWS_ITS_DATA = (
    dg.AutomationCondition.eager()
    .replace(
        "any_deps_updated",
        dg.AutomationCondition.any_deps_match(
            dg.AutomationCondition.data_version_changed() | dg.AutomationCondition.will_be_requested()
        ),
    )
    .with_label("follows its data")
)
# the decodings, with commas, of which a run of `predictions` computes the completions: others of the refresh come after
DECODINGS_TAG = "arc_pipeline/decodings"
_FINISHED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
UNFINISHED_RUNS = dg.RunsFilter(statuses=[status for status in dg.DagsterRunStatus if status not in _FINISHED])
OWNERS = {"tasks": "team:data", "augmentation": "team:data"}
OTHER_OWNER = "team:models"

# the metadata of `evaluation_tasks` that says which questions they ask, whatever the right answers are
QUESTIONS = "questions"
