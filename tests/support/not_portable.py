"""Tests that cannot hold where HEADRACE_PORTABLE=1 leaves unused what they are about.

Each is named as in its file, without its parameters; with them where others of it hold.
"""

from __future__ import annotations

import pytest

from headrace_wire.system.portable import PORTABLE
from headrace_worker.launch.start_methods import KNOWN_METHODS, START_METHODS
from support.places import REPOSITORY

#: Why each of them is skipped.
NOT_PORTABLE: dict[str, tuple[str, ...]] = {
    "there are no Unix sockets": (
        "unit/wire/test_address.py::test_a_path_that_no_unix_socket_can_have_is_refused",
        "unit/wire/test_address.py::test_a_relative_path_is_that_of_the_present_folder",
        "unit/wire/test_address.py::test_an_address_is_read_as_people_write_it[unix:",
        "unit/client/test_child_place.py::test_it_is_a_short_folder_where_the_path_is_too_long_and_that_goes_too",
        "unit/client/test_child_place.py::test_it_is_the_clusters_own_folder",
    ),
    "uvloop and epoll are not used": (
        "unit/wire/system/test_event_loop.py::test_uvloop_is_used_where_it_is_installed",
    ),
    "sockets take one part at a time": (
        "unit/wire/test_connection.py::test_header_and_body_go_in_one_write",
    ),
    "files and folders are locked by a file beside them": (
        "unit/wire/test_key_book.py::test_a_client_s_own_key_is_no_coordinator_s",
        "unit/worker/test_unreported.py::test_of_two_workers_one_reports_a_file",
    ),
    "psutil is used, which needs a module that the test takes away": (
        "unit/wire/system/test_memory.py::test_coordinator_and_commands_do_without_what_only_unix_has",
    ),
    "there are no limits of a process": (
        "acceptance/test_few_files.py::test_a_coordinator_does_not_start",
        "acceptance/test_few_files.py::test_a_worker_starts_with_as_many_as_its_slots_need",
        "acceptance/test_few_files.py::test_an_embedded_cluster_says_what_it_lacks",
        "integration/coordinator/test_few_files.py::test_a_store_is_not_opened",
        "integration/coordinator/test_few_files.py::test_a_store_is_not_read_and_is_not_called_damaged",
        "unit/wire/system/test_memory.py::test_ulimit_may_leave_a_process_less",
        "unit/wire/test_open_files.py::test_a_limit_that_may_be_raised_is_raised_as_far_as_needed",
        "unit/wire/test_open_files.py::test_another_one_is_told_with_what_is_needed",
        "unit/wire/test_open_files.py::test_the_limit_of_a_program_whose_child_needs_more_stays",
        "unit/wire/test_open_files.py::test_the_systems_message_names_no_number_and_ours_does",
    ),
    "nobody can tell whether there is room in a pipe": (
        "unit/wire/test_log_writer.py::test_a_log_without_room_for_a_thread_goes_on_when_it_is_read",
        "unit/wire/test_log_writer.py::test_while_there_is_room_no_thread_is_made",
    ),
    "files are named by their whole paths": (
        "unit/services/images/test_saving.py::test_a_full_disk_ends_it_in_one_line_with_no_partial_file",
    ),
    "shipments are files on the disk": (
        "unit/services/calls/test_shipment.py::test_only_so_many_are_kept",
    ),
    "open files do not travel through sockets": (
        "unit/worker/link/test_channel.py::test_open_files_come_with_their_own_message",
    ),
    "there is no fork server": (
        "integration/worker/test_deaths.py::test_a_slot_that_died_just_before_its_fork_server_says_why",
        "integration/worker/test_deaths.py::test_a_slot_that_outlived_its_fork_server_says_why_it_died",
        "integration/worker/test_deaths.py::test_a_slot_whose_fork_server_is_frozen_says_why_it_died",
        "integration/worker/test_deaths.py::test_an_orphan_that_is_killed_says_by_what",
        "integration/worker/test_deaths.py::test_what_a_task_leaves_behind_does_not_stay_as_a_zombie",
        "integration/worker/test_starting_slots.py::test_an_unknown_start_method_is_refused",
        "integration/worker/test_starting_slots.py::test_fork_is_refused_in_a_process_that_has_threads",
        "integration/worker/test_starting_slots.py::test_what_the_fork_server_could_not_preload_is_logged",
    ),
    "no memory is refused to a slot": (
        "integration/worker/test_recycling.py::test_a_slot_gets_no_more_memory_than_its_limit",
    ),
    "nobody can tell that a file system is mounted read-only": (
        "unit/client/test_denied.py::test_a_read_only_file_system_is_not_a_matter_of_modes",
    ),
    "there are no pidfds": (
        "integration/worker/test_exit_watch.py::test_a_system_that_is_out_of_descriptors_has_pidfds_all_the_same",
    ),
    "what is written is not told with its place, which those who read the trace need": (
        "integration/coordinator/test_crash_points.py::test_it_waits_for_the_disk_before_it_acknowledges",
        "integration/coordinator/test_crash_points.py::test_killed_between_any_two_writes_it_holds_what_was_acknowledged",
        "integration/coordinator/test_crash_points.py::test_after_a_power_cut_it_holds_what_was_acknowledged",
    ),
    "there is no affinity": (
        "unit/worker/machine/test_cores.py::test_a_malformed_quota_is_no_quota",
        "unit/worker/machine/test_cores.py::test_a_v1_quota_decides_if_it_is_less",
        "unit/worker/machine/test_cores.py::test_a_v2_quota_decides_if_it_is_less",
        "unit/worker/machine/test_cores.py::test_without_cgroups_affinity_decides",
    ),
}


def find_method(item: pytest.Item) -> str | None:
    """The start method that a test is about, if it is about one."""
    callspec = getattr(item, "callspec", None)
    given = callspec.params.values() if callspec else ()
    return next((one for one in given if isinstance(one, str) and one in KNOWN_METHODS), None)


def skip_not_portable(items: list[pytest.Item]) -> None:
    """Skip them, with the reason."""
    if not PORTABLE:
        return
    reasons = {name: why for why, names in NOT_PORTABLE.items() for name in names}
    for item in items:
        place = item.path.relative_to(REPOSITORY / "tests").as_posix()
        name = f"{place}::{item.name}"
        if (method := find_method(item)) not in (None, *START_METHODS):
            item.add_marker(pytest.mark.skip(reason=f"HEADRACE_PORTABLE=1: there is no {method}"))
        why = reasons.get(name.partition("[")[0]) or next(
            (why for one, why in reasons.items() if "[" in one and name.startswith(one)), None
        )
        if why is not None:
            item.add_marker(pytest.mark.skip(reason=f"HEADRACE_PORTABLE=1: {why}"))
