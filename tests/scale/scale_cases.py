"""A small regimen in few patients, as a job of the scale package."""

import hashlib
from functools import partial

from nksim.protocol.catalog import load
from nksim.protocol.choice import choose
from nksim.run import Bodies
from nksim.scale.summary import Job
from nksim.settings import Settings
from nksim.simulation import age_range

SETTINGS = Settings(days=20, every_d=1.0)


def job(seed=3, settings=SETTINGS):
    choice = choose(load("nkaml"), settings=()).answered(accept_assumed=True)
    return Job(choice, partial(Bodies().population, seed=seed, ages=age_range(choice)), seed, settings)


def digest(summary):
    """Everything that a summary holds, as bytes."""
    bands = [part.tobytes() for name in summary.output_names for part in summary.bands(name, (0.05, 0.5, 0.95))]
    metrics = [repr((k, v.open_end)).encode() + v.values.tobytes() for k, v in sorted(summary.measured.items())]
    bodies = summary.population.age_y.tobytes() + summary.population.weight_kg.tobytes()
    return b"".join([*bands, *metrics, bodies])


def everything(summary):
    """SHA-256 of all that a summary holds: every bin and sum of its tallies, every metric of every patient, the bodies."""
    hashed = hashlib.sha256()
    for name, array in sorted(summary.tally.packed().items()):
        hashed.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    for name, found in sorted(summary.measured.items()):
        hashed.update(repr((name, found.unit, found.missing, found.open_end)).encode() + found.values.tobytes())
    hashed.update(summary.population.age_y.tobytes() + summary.population.weight_kg.tobytes())
    return hashed.hexdigest()
