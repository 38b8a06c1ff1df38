from tests.architecture.nouns import tree
from tools.guards.addresses import lock_addresses, machine_addresses
from tools.guards.layout import long_files, misplaced_service_files


def test_a_file_of_400_lines_is_short_enough_and_one_more_is_not(tmp_path):
    tree(tmp_path, {"short.py": "x = 1\n" * 400, "long.py": "x = 1\n" * 401})
    assert [one.path for one in long_files(tmp_path)] == ["long.py"]


def test_a_file_of_a_services_own_is_explained_in_its_readme(tmp_path):
    names = ("__init__.py", "__main__.py", "app.py", "settings.py", "schedule.py", "due_dates.py", "helpers.py")
    tree(tmp_path, {f"services/rules/{name}": "" for name in names})
    (tmp_path / "services/rules/README.md").write_text(
        "`schedule.py`: when a rule fires; `due_*.py`: on which date.", encoding="utf-8"
    )
    assert [one.path for one in misplaced_service_files(tmp_path)] == ["services/rules/helpers.py"]


def test_a_service_without_its_shared_files_is_seen(tmp_path):
    tree(tmp_path, {"services/rules/__init__.py": ""})
    missing = {one.path.rpartition("/")[2] for one in misplaced_service_files(tmp_path)}
    assert missing == {"__main__.py", "app.py", "settings.py", "README.md"}


def test_folders_of_one_machine_are_seen_and_paths_of_the_project_are_not(tmp_path):
    machine = "/".join(["", "root", "converse"])
    harmless = f"PATH = 'docs/{'work'}/plan'\nURL = 'https://example.com/rooted/x'\n"
    tree(tmp_path, {"x.py": f"HOME = '{machine}'", "y.py": harmless})
    assert [one.path for one in machine_addresses(tmp_path)] == ["x.py"]


def test_a_lock_with_an_address_or_an_option_is_seen(tmp_path):
    (tmp_path / "requirements.lock").write_text("a==1 \\\n    --hash=sha256:00\n", encoding="utf-8")
    assert lock_addresses(tmp_path) == []
    (tmp_path / "requirements.lock").write_text("-i https://packages.example.com\na @ file:///a\n", encoding="utf-8")
    assert [one.line for one in lock_addresses(tmp_path)] == [1, 2]
