"""Half precision where it is faster."""

from __future__ import annotations

import torch


def half_precision(device: torch.device) -> torch.autocast:
    """bfloat16 where the hardware multiplies it; emulated it would be slower."""
    if device.type == "cpu":
        has = torch.cpu.get_capabilities()
        fast = any(has.get(name) for name in ("amx_bf16", "avx512_bf16"))
    else:
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)
