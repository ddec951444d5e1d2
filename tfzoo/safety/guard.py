"""Refuses to open a model that nothing vouches for, where it may do more than to compute."""

from __future__ import annotations

from functools import partial

from tfzoo import settings
from tfzoo.errors import StoreError, UntrustedModelError
from tfzoo.safety.looking import audit_files
from tfzoo.store.cache import NOTHING
from tfzoo.store.derived import derived
from tfzoo.store.models import StoredModel
from tfzoo.version import __version__

_SHOWN = 3


def refuse_dangerous(model: StoredModel) -> None:
    """Refuses a model that nothing vouches for and that is dangerous by its audit.

    That an audit found nothing is kept beside the model by its digest, so that each is looked
    through once.

    Args:
        model: From the store.

    Raises:
        UntrustedModelError: Says what was found; not where `TFZOO_TRUST` is set.
        ModelFormatError: Its files are damaged.
    """
    # That an address gave its own bytes says nothing of what they do.
    vouched = model.vouchers != NOTHING and model.spec is not None
    if vouched or settings.trusts_all():
        return
    look = partial(_look, model)
    try:
        derived(model.id, model.digest, "audit", lambda folder: look(), version=__version__)
    except StoreError:  # A cache that can't be written keeps nobody from being careful.
        look()


def _look(model: StoredModel) -> None:
    found = audit_files(model.path)
    if not found.dangerous:
        return
    told = "; ".join(map(str, found.findings[:_SHOWN]))
    if len(found.findings) > _SHOWN:
        told += f"; and {len(found.findings) - _SHOWN} more"
    raise UntrustedModelError(
        f"{model.id} may do more than to compute, and nothing vouches for it: {told}. See all "
        f"with: tfzoo audit '{model.id}'. If you trust its source, say so: --trust, or "
        f"{settings.TRUST_VARIABLE}=1"
    )
