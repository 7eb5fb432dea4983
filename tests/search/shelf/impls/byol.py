"""A small stand-in for a reference module: read as text, never run."""


def byol_loss(p, z):
    """Squared distance of unit vectors."""
    z = z.detach()  # -- stop-gradient
    return 2 - 2 * (p * z).sum()


def ema_update(target, online, tau):
    """Move the target a little towards the online weights."""
    for t, o in zip(target, online, strict=True):
        t.lerp_(o, 1 - tau)
