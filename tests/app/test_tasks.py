"""Tasks: started, watched, queued, stopped, lost; and never the wrong process."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from app import alive, supervisor, tasks
from app.noting import Notes, read_note
from app.tasks import Task
from tests.app.conftest import PATIENCE


def python(code):
    return [sys.executable, "-c", code]


def wait_until(is_so, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def sleeper():
    """A process that only sleeps."""
    process = subprocess.Popen(python("import time; time.sleep(600)"))
    yield process
    process.kill()
    process.wait()


@pytest.fixture(autouse=True)
def own_signals():
    """A supervisor in this process takes SIGTERM; give it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def job(folder, **known):
    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    known = {"command": ["x"], "asked": now, "began": now, "heartbeat": now, **known}
    tasks.write_task(folder / tasks.JOB, Task(**known))


def test_a_process_is_known_by_its_start_and_not_by_its_number(sleeper):
    start = alive.start_of(sleeper.pid)

    assert start is not None
    assert alive.is_alive(sleeper.pid, start)
    assert start != alive.start_of(os.getpid())
    assert not alive.is_alive(sleeper.pid, start + "1")
    assert not alive.is_alive(sleeper.pid, None)


def test_a_process_that_has_ended_is_not_alive_even_before_it_is_reaped(sleeper):
    start = alive.start_of(sleeper.pid)
    sleeper.kill()

    wait_until(lambda: alive.start_of(sleeper.pid) is None)
    assert not alive.is_alive(sleeper.pid, start)


def test_a_signal_goes_to_the_process_that_was_meant(sleeper):
    assert not alive.send(sleeper.pid, "another boot 12345", signal.SIGKILL)
    time.sleep(0.1)
    assert sleeper.poll() is None

    assert alive.send(sleeper.pid, alive.start_of(sleeper.pid), signal.SIGKILL)
    assert sleeper.wait(timeout=PATIENCE) == -signal.SIGKILL


def test_a_number_that_is_used_again_is_not_stopped(tmp_path, sleeper):
    """The guard against pid reuse, and its control: with the right start it does end."""
    job(tmp_path, pid=sleeper.pid, start="another boot 12345")
    assert not tasks.stop(tmp_path)
    assert not tasks.stop(tmp_path, at_once=True)
    time.sleep(0.1)
    assert sleeper.poll() is None

    job(tmp_path, pid=sleeper.pid, start=alive.start_of(sleeper.pid))
    (tmp_path / tasks.STOP).unlink()
    assert tasks.stop(tmp_path)
    assert sleeper.wait(timeout=PATIENCE) == -signal.SIGTERM


@pytest.mark.parametrize(
    ("known", "age", "expected"),
    [
        ({}, 0, "running"),
        ({}, tasks.LOST_SECONDS - 1, "running"),
        ({}, tasks.LOST_SECONDS + 1, "lost"),
        ({"ended": 1.0, "status": 0}, 1e6, "done"),
        ({"ended": 1.0, "status": 2}, 1e6, "failed"),
        ({"ended": 1.0, "status": -9}, 1e6, "failed"),
        ({"ended": 1.0, "status": 143}, 1e6, "stopped"),
        ({"ended": 1.0, "status": -15}, 1e6, "stopped"),
        ({"ended": 1.0, "status": None}, 1e6, "lost"),
    ],
)
def test_how_a_task_stands(tmp_path, known, age, expected):
    job(tmp_path, **known)

    assert tasks.standing(tmp_path, time.time() + age) == expected


def test_nothing_and_rubbish_are_told_apart(tmp_path):
    assert tasks.standing(tmp_path) == "unknown"

    (tmp_path / tasks.JOB).write_text("{")
    assert tasks.standing(tmp_path) == "lost"
    (tmp_path / tasks.JOB).write_text('{"format": 1, "colour": "red"}')
    assert tasks.standing(tmp_path) == "lost"


def test_a_task_runs_and_its_log_answer_and_progress_stay(tmp_path):
    code = (
        "import sys; from app.noting import Notes; Notes.wanted().note(3, 4);"
        "print('{\"a\": 1}'); print('hello', file=sys.stderr)"
    )
    tasks.ask(tmp_path, python(code))
    assert tasks.standing(tmp_path) == "queued"
    supervisor.Supervisor().do(tmp_path)

    assert tasks.standing(tmp_path) == "done"
    assert tasks.answer(tmp_path) == {"a": 1}
    assert tasks.last_words(tmp_path) == "hello"
    noted = tasks.how_far(tmp_path)
    assert (noted.done, noted.of) == (3, 4)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "import sys; print('d2v: the rate is too high; lower it', file=sys.stderr);"
            " sys.exit(2)",
            "The rate is too high; lower it",
        ),
        ("import sys; sys.exit(3)", "It ended with status 3 and said nothing."),
        ("import os; os.kill(os.getpid(), 9)", "It was killed by the system, most often for want"),
        ("raise KeyError('x')", "KeyError: 'x'"),
    ],
)
def test_a_failure_has_one_sentence(tmp_path, code, sentence):
    tasks.ask(tmp_path, python(code))
    supervisor.Supervisor().do(tmp_path)

    assert tasks.standing(tmp_path) == "failed"
    assert tasks.why_failed(tmp_path).startswith(sentence)


def test_the_sentence_is_of_this_attempt(tmp_path):
    tasks.ask(tmp_path, python("import sys; print('d2v: old', file=sys.stderr); sys.exit(2)"))
    supervisor.Supervisor().do(tmp_path)
    tasks.ask(tmp_path, python("import sys; sys.exit(2)"))
    supervisor.Supervisor().do(tmp_path)

    assert tasks.why_failed(tmp_path) == "It ended with status 2 and said nothing."


def test_a_command_that_is_not_there_fails_in_words(tmp_path):
    tasks.ask(tmp_path, ["/no/such/program"])
    supervisor.Supervisor().do(tmp_path)

    assert tasks.standing(tmp_path) == "failed"
    assert tasks.why_failed(tmp_path) == "It cannot be started: No such file or directory"


def test_the_queue_goes_by_the_order_of_asking_one_at_a_time(tmp_path):
    """Every task notes when it began and ended; they never overlap."""
    code = (
        "import time, json; a = time.time(); time.sleep(0.2); print(json.dumps([a, time.time()]))"
    )
    names = ["z", "a", "m"]
    for name in names:
        tasks.ask(tmp_path / name, python(code))
    assert [folder.name for folder, _ in supervisor.queue(tmp_path)] == names
    supervisor.Supervisor().work(tmp_path)

    times = [tasks.answer(tmp_path / name) for name in names]
    assert all(before[1] <= after[0] for before, after in pairwise(times))
    assert [tasks.standing(tmp_path / name) for name in names] == ["done"] * 3


def test_what_waits_can_be_taken_back(tmp_path):
    tasks.ask(tmp_path / "a", python("print(1)"))
    assert tasks.stop(tmp_path / "a")

    assert supervisor.next_of(tmp_path) is None
    assert tasks.standing(tmp_path / "a") == "unknown"


def test_a_wish_to_stop_that_comes_before_the_process_counts(tmp_path):
    tasks.ask(tmp_path, python("import time; time.sleep(600)"))
    (tmp_path / tasks.STOP).write_text("{}")
    began = time.monotonic()
    supervisor.Supervisor().do(tmp_path)

    assert tasks.standing(tmp_path) == "stopped"
    assert time.monotonic() - began < PATIENCE


def test_two_supervisors_do_not_work_on_one_queue(tmp_path):
    tasks.ask(tmp_path / "a", python("print(1)"))
    with supervisor.locked(tmp_path / supervisor.LOCK) as is_mine:
        assert is_mine
        supervisor.Supervisor().work(tmp_path)  # as another process would find it
        assert tasks.standing(tmp_path / "a") == "queued"

    supervisor.Supervisor().work(tmp_path)
    assert tasks.standing(tmp_path / "a") == "done"


UNTIL_WATCHED = """
import json, pathlib, time
def heard():
    path = pathlib.Path({!r})
    return json.loads(path.read_text())["heartbeat"] if path.exists() else 0.0
while time.time() - heard() > 50:
    time.sleep(0.02)
time.sleep(0.5)
"""
"""Goes on as long as nobody beats for it, and a little longer."""


def test_an_orphan_is_watched_before_anything_else_begins(tmp_path):
    """Its supervisor was killed: what is queued waits until the orphan has ended."""
    orphan = subprocess.Popen(python(UNTIL_WATCHED.format(str(tmp_path / "a" / tasks.JOB))))
    long_ago = time.time() - 100
    job(tmp_path / "a", pid=orphan.pid, start=alive.start_of(orphan.pid), heartbeat=long_ago)
    (tmp_path / "a" / tasks.LOG).write_text("runs/a/checkpoints/step_00000006 is complete\n")
    assert tasks.standing(tmp_path / "a") == "lost"
    tasks.ask(tmp_path / "b", python("import time; print(time.time())"))
    supervisor.Supervisor().work(tmp_path)

    assert orphan.wait(timeout=PATIENCE) == 0
    ended = tasks.read_task(tmp_path / "a" / tasks.JOB)
    assert tasks.standing(tmp_path / "a") == "done"
    assert tasks.answer(tmp_path / "b") >= ended.ended - 0.1


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("d2v: stopped after step 3 of 9, which is saved; go on with --resume", 143),
        ("d2v: image collapsed: mean pairwise cosine 1 is above 0.9999", 2),
        ("step 4 of 9  loss 61.1", None),
    ],
)
def test_how_an_orphan_ended_is_read_from_its_log(tmp_path, said, status):
    (tmp_path / tasks.LOG).write_text(said + "\n")

    assert tasks.adopted(Task(command=[], asked=0.0), tmp_path).status == status


def test_sigterm_to_a_supervisor_ends_its_task_and_nothing_new_begins(tmp_path):
    tasks.ask(tmp_path / "a", python("import time; time.sleep(600)"))
    tasks.ask(tmp_path / "b", python("print(1)"))
    process = subprocess.Popen(
        [sys.executable, "-m", "app.supervisor", str(tmp_path)], cwd=supervisor.ROOT
    )
    wait_until(lambda: tasks.is_at_work(tmp_path / "a"))
    process.terminate()
    process.wait(timeout=PATIENCE)

    assert tasks.standing(tmp_path / "a") == "stopped"
    assert tasks.standing(tmp_path / "b") == "queued"


@pytest.mark.slow
def test_a_task_by_itself_is_started_once(tmp_path):
    folder = tmp_path / "one"
    code = f"import pathlib, time; gate = pathlib.Path({str(tmp_path / 'gate')!r})\n"
    command = python(code + "while not gate.exists(): time.sleep(0.02)\nprint(1)")
    supervisor.begin(folder, command)
    supervisor.begin(folder, command)  # a second page
    wait_until(lambda: tasks.standing(folder) == "running")
    asked = tasks.read_task(folder / tasks.JOB).asked
    supervisor.begin(folder, command)
    (tmp_path / "gate").touch()
    wait_until(lambda: tasks.standing(folder) == "done")

    assert tasks.read_task(folder / tasks.JOB).asked == asked


FIVE_BEATS = """
import json, pathlib, time
heard, end = set(), time.monotonic() + 60
while len(heard) < 5:
    heard.add(json.loads(pathlib.Path({!r}).read_text())["heartbeat"])
    assert time.monotonic() < end
    time.sleep(0.02)
"""


def test_a_heartbeat_is_beaten_while_the_task_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "BEAT_SECONDS", 0.05)
    tasks.ask(tmp_path, python(FIVE_BEATS.format(str(tmp_path / tasks.JOB))))
    beats = []
    write = tasks.write_task

    def noting(path, task):
        beats.append(task.heartbeat)
        write(path, task)

    monkeypatch.setattr(tasks, "write_task", noting)
    supervisor.Supervisor().do(tmp_path)

    assert tasks.standing(tmp_path) == "done"
    known = [beat for beat in beats if beat is not None]
    assert known == sorted(known)
    assert len(set(known)) >= 5


def test_notes_say_how_long_it_will_take(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("app.noting.time.time", lambda: now[0])
    notes = Notes(tmp_path / "p.json")
    notes.note(10, 100)
    assert read_note(tmp_path / "p.json").seconds_left is None
    now[0] += 5
    notes.note(20, 100)
    assert read_note(tmp_path / "p.json").seconds_left == pytest.approx(5 / 10 * 80)
    now[0] += 0.01
    notes.note(21, 100)  # too soon to be written
    assert read_note(tmp_path / "p.json").done == 20
    notes.note(100, 100)  # the last always is
    assert json.loads((tmp_path / "p.json").read_text())["done"] == 100


def test_notes_of_an_attempt_before_do_not_count(tmp_path):
    job(tmp_path)
    Notes(tmp_path / tasks.PROGRESS).note(3, 4)
    assert tasks.how_far(tmp_path).done == 3

    job(tmp_path, began=time.time() + 10)
    assert tasks.how_far(tmp_path) is None
