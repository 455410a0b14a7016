"""Large parameters, which are sent as the inputs of separate jobs, once to each worker.

    function, initargs ─► a job whose one input is the data ─► the coordinator's store
    worker ◄── JobQueue.read, once ── a reference in the parameters of the jobs that need it

Nobody runs such a job. It is deleted with the job that it is for. If several jobs of a pool need
it, it is deleted when its client drops it or falls silent; see ``data_uploader``.
"""

from __future__ import annotations

from collections.abc import Mapping

from headrace.submission import SubmitOptions, make_job_id, make_job_spec
from headrace_services.service import Parameters, Plan
from headrace_wire.batch import pack_batch
from headrace_wire.errors import UsageError
from headrace_wire.framing import MAX_FRAME_BYTES
from headrace_wire.messages.jobs import DATA_SERVICE, KEEP, KEEP_FOR, JobSpec

#: The parameters that may be large, and the size in bytes from which on they are sent like this.
CARRIED = ("initargs", "initializer", "function")
CARRIED_BYTES = 64 << 10

#: The maximum size in bytes: they are sent in one frame, with a small header.
MAX_DATA_BYTES = MAX_FRAME_BYTES - (1 << 16)


#: A job that stores data, and the data as its inputs.
DataJob = tuple[JobSpec, bytes]


def make_plan_specs(
    service: str, plan: Plan, options: SubmitOptions | None
) -> tuple[JobSpec, list[DataJob]]:
    """Return what the coordinator needs for a planned job: its specification, and its large data.

    The job is submitted first. Raises UsageError for data that are too large.
    """
    job_id, data = make_job_id(), list[DataJob]()
    parameters = plan.parameters
    # Without inputs it would run before its data are there, but every plan of calls has inputs.
    if service == "calls" and plan.inputs is not None and (large := find_large(parameters)):
        data = [
            (make_data_spec(name, job_id), pack_batch([value])) for name, value in large.items()
        ]
        jobs = {name: spec.id for name, (spec, _) in zip(large, data, strict=True)}
        parameters = replace_large(parameters, large, jobs)
    carried = plan.inputs is not None
    spec = make_job_spec(
        service,
        plan.operation,
        parameters,
        options,
        tasks=None if carried else plan.tasks,
        carried=carried,
        job_id=job_id,
    )
    return spec, data


def find_large(parameters: Parameters) -> dict[str, bytes]:
    """Return the parameters of a job of the service ``calls`` that are sent separately.

    Raises UsageError for one that is too large even for that.
    """
    large = {
        name: value
        for name in CARRIED
        if isinstance(value := parameters.get(name), bytes) and len(value) >= CARRIED_BYTES
    }
    for name, value in large.items():
        if len(value) > MAX_DATA_BYTES:
            what = f"{name} is too large to travel"
            if name == "function":
                what = "the function brings too much with it"
            raise UsageError(
                f"{what}: {len(value)} bytes, of {MAX_DATA_BYTES} at most; send a path, or let the "
                "function load it"
            )
    return large


def replace_large(
    parameters: Parameters, large: Mapping[str, bytes], jobs: Mapping[str, str]
) -> Parameters:
    """Return the same parameters with references instead of large values.

    ``jobs`` contains, by name, which job stores it.
    """
    left = {name: value for name, value in parameters.items() if name not in large}
    return {**left, "data": {name: [jobs[name], len(value)] for name, value in large.items()}}


def make_data_spec(name: str, owner: str = "") -> JobSpec:
    """Return the job that stores a parameter for the job ``owner``, or else for this client."""
    return make_job_spec(
        DATA_SERVICE,
        f"{KEEP_FOR}{owner}" if owner else KEEP,
        {},
        SubmitOptions(name=f"{name} of job {owner}" if owner else f"data of a pool's {name}"),
        tasks=None,
        carried=True,
        owned=not owner,
    )
