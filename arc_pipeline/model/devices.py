"""What torch can compute on, and by which kernels. Knows no models."""

from arc_pipeline.uncounted import uncounted

uncounted("the same computations, by another kernel as by another GPU")


def usable_gpus() -> list[str]:
    """The names of the GPUs that torch can use."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [torch.cuda.get_device_name(number) for number in range(count)]


def use_flash_attention() -> None:
    """On a GPU: cuDNN's attention plans anew for every length of an example or a prompt, flash attention does not.

    Called where a program begins to compute: it is no part of what is computed, as the GPU is none.
    """
    import torch

    torch.backends.cuda.enable_cudnn_sdp(False)
