"""What torch can compute on. Knows no models."""

from arc_pipeline.uncounted import uncounted

uncounted("tells what there is")


def usable_gpus() -> list[str]:
    """The names of the GPUs that torch can use."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [torch.cuda.get_device_name(number) for number in range(count)]
