from __future__ import annotations

import pytest

from headrace_services.images.output import check_foreign_name


@pytest.mark.parametrize(
    "name", ["/etc/a.jpg", "../a.jpg", "a/../../b.jpg", "", ".", "a\0.jpg", "..", "a/..", "/"]
)
def test_names_that_lead_out_of_the_folder_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="its name"):
        check_foreign_name(name)


@pytest.mark.parametrize("name", [".bashrc", "evil.py", ".ssh/authorized_keys", "a.jpg/x", "jpg"])
def test_what_others_name_is_a_picture_or_nothing(name: str) -> None:
    with pytest.raises(ValueError, match="not that of a picture"):
        check_foreign_name(name)


def test_names_keep_their_folders_and_lose_what_terminals_obey() -> None:
    assert check_foreign_name("a/b c.JPG") == "a/b c.JPG"
    assert check_foreign_name("\x1b[31mx\n.png") == "\\x1b[31mx\\n.png"
    assert check_foreign_name("\udce4.png") == "\udce4.png"
