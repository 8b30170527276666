"""`data/machines.yaml`: named machines, and which assets of which experiments go to them. Absent: all is local."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from arc_pipeline.arc.names import did_you_mean_or_all
from arc_pipeline.arc.settings import Section
from arc_pipeline.arc.tasks.documents import TypedLoader, field_faults, parse_yaml, read_bytes
from arc_pipeline.errors import Fault, FaultyInput

FILE = "machines.yaml"
LOCAL = "local"
# what can be made elsewhere
MOVABLE = ("checkpoint",)
SECTIONS = ("machines", "assets")


class LocalMachine(Section):
    """The machine that Dagster's run is on."""

    engine: Literal["local"] = "local"


class SlurmMachine(Section):
    """A Slurm cluster that shares its file system with this machine; its commands are called here."""

    engine: Literal["slurm"]
    partition: str | None = None
    """The partition; null: the cluster's default."""
    account: str | None = None
    """The account; null: the user's default."""
    gpus: int = Field(0, ge=0)
    """GPUs of the job."""
    cpus: int = Field(1, ge=1)
    """Processor cores of the job."""
    memory: str | None = Field(None, pattern=r"^\d+[KMGT]?$")
    """Memory of the job as Slurm writes it, such as 64G."""
    time: str | None = Field(None, pattern=r"^[\d:-]+$")
    """Time limit as Slurm writes it, in quotes, such as "12:00:00"; before it ends, the training saves and queues."""
    warning_seconds: int = Field(120, ge=1)
    """How long before the time limit a state is saved."""
    python: str | None = None
    """The interpreter on the cluster; null: the path of this one."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables of the job."""
    options: list[str] = Field(default_factory=list)
    """More options of sbatch, such as "--qos=low"."""


Machine = LocalMachine | SlurmMachine
_MACHINES: Mapping[str, type[LocalMachine] | type[SlurmMachine]] = {"local": LocalMachine, "slurm": SlurmMachine}
_RULES: TypeAdapter[dict[str, str]] = TypeAdapter(dict[Annotated[str, Field(min_length=1)], str])


class Machines:
    """The machines of a deployment by name, and rules, of which the last that matches counts."""

    def __init__(self, machines: Mapping[str, Machine], rules: Mapping[str, str]) -> None:
        self.by_name = {LOCAL: LocalMachine(), **machines}
        self.rules = rules

    def of(self, asset: str, experiment: str) -> tuple[str, Machine]:
        """Where an asset of an experiment is made: the name and the machine."""
        names = [name for rule, name in self.rules.items() if matches(rule, asset, experiment)]
        name = names[-1] if names else LOCAL
        return name, self.by_name[name]


def matches(rule: str, asset: str, experiment: str) -> bool:
    """Whether a rule, `checkpoint` or `checkpoint[big-*]`, is about an asset of an experiment."""
    of, _, pattern = rule.removesuffix("]").partition("[")
    return of == asset and fnmatchcase(experiment, pattern or "*")


def read_machines(data: Path) -> Machines:
    """What the file of a data directory says now; FaultyInput with all faults."""
    path = data / FILE
    if not path.exists():
        return Machines({}, {})
    document = parse_yaml(FILE, read_bytes(FILE, path), TypedLoader) or {}
    if not isinstance(document, dict):
        raise FaultyInput([Fault(FILE, "", f"must have the sections {' and '.join(SECTIONS)}", repr(document)[:60])])
    faults = [
        Fault(FILE, str(name), f"unknown section{did_you_mean_or_all(str(name), SECTIONS)}")
        for name in document
        if name not in SECTIONS
    ]
    machines = _read_each(document.get("machines") or {}, faults)
    rules = _read_rules(document.get("assets") or {}, [LOCAL, *machines], faults)
    if faults:
        raise FaultyInput(faults)
    return Machines({name: machine for name, machine in machines.items() if machine}, rules)


def _read_each(section: object, faults: list[Fault]) -> dict[str, Machine | None]:
    """Each machine, None where it is faulty."""
    if not isinstance(section, dict):
        faults.append(Fault(FILE, "machines", "must be machines by name", repr(section)[:60]))
        return {}
    return {str(name): _read_machine(str(name), fields, faults) for name, fields in section.items()}


def _read_machine(name: str, fields: object, faults: list[Fault]) -> Machine | None:
    place = f"machines.{name}"
    if not isinstance(fields, dict):
        faults.append(Fault(FILE, place, "must be fields, with an engine", repr(fields)[:60]))
        return None
    engine = str(fields.get("engine"))
    if engine not in _MACHINES:
        problem = f"engine must be one of {', '.join(_MACHINES)}{did_you_mean_or_all(engine, list(_MACHINES))}"
        faults.append(Fault(FILE, place, problem, repr(fields.get("engine"))))
        return None
    try:
        return _MACHINES[engine].model_validate(fields)
    except ValidationError as error:
        faults += field_faults(FILE, error, _MACHINES[engine], f"{place}.")
        return None


def _read_rules(section: object, machines: Sequence[str], faults: list[Fault]) -> dict[str, str]:
    try:
        rules = _RULES.validate_python(section)
    except ValidationError:
        faults.append(Fault(FILE, "assets", "must be a machine for each asset", repr(section)[:60]))
        return {}
    for rule, machine in rules.items():
        asset, bracket, rest = rule.partition("[")
        if asset not in MOVABLE or bool(bracket) != rest.endswith("]"):
            problem = f"only {', '.join(MOVABLE)} can be made elsewhere: {MOVABLE[0]} or {MOVABLE[0]}[PATTERN]"
            faults.append(Fault(FILE, f"assets.{rule}", problem))
        if machine not in machines:
            problem = f"no such machine{did_you_mean_or_all(machine, machines)}"
            faults.append(Fault(FILE, f"assets.{rule}", problem, repr(machine)))
    return rules
