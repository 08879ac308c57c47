"""Sessions used from several threads, after their end, and in forked processes."""

import multiprocessing
import threading
from itertools import islice

import numpy as np
import pytest

import soundstage

CHUNKS = 6


@pytest.fixture(scope="module")
def toy():
    with soundstage.open(preset="toy", settings=["format.chunk_s=0.4"], seed=7) as session:
        yield session


def fresh(toy, lookahead=0):
    return soundstage.Session(toy.runner, [{"seed": 7}], lookahead=lookahead)


@pytest.mark.parametrize("lookahead", [0, 2])
def test_session_is_steered_by_another_thread_than_the_one_that_plays(toy, tmp_path, lookahead):
    session, ended, errors = fresh(toy, lookahead), threading.Event(), []

    def instrument():
        try:
            for number in range(10_000):
                session.steer(temperature=0.2 + number % 10 / 10)
                assert session.branch().state.chunks <= session.state.chunks
                session.save(tmp_path / "set.session")
                if ended.is_set():
                    return
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=instrument) for _ in range(2)]
    for thread in threads:
        thread.start()
    chunks = list(islice(session, CHUNKS))
    ended.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [chunk.tick.chunks for chunk in chunks] == [(index,) for index in range(CHUNKS)]


def test_threads_that_play_one_session_get_every_chunk_once(toy):
    session, chunks = fresh(toy), []

    def play():
        chunks.extend(islice(session, CHUNKS))

    threads = [threading.Thread(target=play) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chunks.sort(key=lambda chunk: chunk.tick.chunks)
    alone = list(islice(fresh(toy), 3 * CHUNKS))
    assert [c.audio.tobytes() for c in chunks] == [c.audio.tobytes() for c in alone]


def test_change_during_a_chunk_is_heard_from_the_next_one(toy):
    session, alone = fresh(toy, lookahead=2), fresh(toy)
    next(session), next(alone)
    thread = threading.Thread(target=session.steer, kwargs={"temperature": 0.3})
    thread.start()
    thread.join()
    alone.steer(temperature=0.3)
    assert np.array_equal(next(session).audio, next(alone).audio)


USES = {
    "next": next,
    "iterate": list,
    "steer": lambda session: session.steer(temperature=0.5),
    "branch": lambda session: session.branch(),
    "save": lambda session: session.save("never.session"),
    "journal": lambda session: session.journal("never.journal"),
    "enter": lambda session: session.__enter__(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_use_after_close_is_one_clear_error(toy, use):
    session = fresh(toy, lookahead=1)
    next(session)
    session.close()
    session.close()
    with pytest.raises(soundstage.SessionClosed, match=r"session is closed: .*soundstage\.open"):
        use(session)


def test_branch_of_a_session_whose_runner_is_closed_is_refused():
    with soundstage.open(preset="toy") as session:
        branch = session.branch()
    for use in (next, next):
        with pytest.raises(soundstage.SessionClosed, match="runner is closed"):
            use(branch)
    with pytest.raises(soundstage.SessionClosed, match="runner is closed"):
        session.runner.warm_up(1)


def test_close_waits_for_the_chunk_that_another_thread_makes():
    session, begun, ends = soundstage.open(preset="toy"), threading.Event(), []

    def play():
        try:
            for _ in session:
                begun.set()
        except soundstage.SessionClosed:
            ends.append("closed")

    player = threading.Thread(target=play)
    player.start()
    assert begun.wait(60)
    session.close()
    player.join(60)
    assert ends == ["closed"]


def use_in_fork(use, session, answers):
    try:
        use(session)
    except soundstage.Error as error:
        answers.put(f"{type(error).__name__}: {error}")
    else:
        answers.put("no error")


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="needs a system that forks"
)
@pytest.mark.filterwarnings("ignore:.*fork")
@pytest.mark.parametrize("use", ["open", "next", "steer", "close"])
def test_forked_process_is_noticed_and_told_the_cure(toy, use):
    uses = USES | {
        "open": lambda session: soundstage.open(preset="toy"),
        "close": lambda session: session.close(),
    }
    forking = multiprocessing.get_context("fork")
    answers = forking.Queue()
    arguments = (uses[use], toy, answers)
    process = forking.Process(target=use_in_fork, args=arguments, daemon=True)
    process.start()
    try:
        answer = answers.get(timeout=60)
    finally:
        process.kill()
        process.join()
    if use == "close":  # what belongs to the parent stays as it is
        assert answer == "no error"
        assert next(fresh(toy)).tick.chunks == (0,)
    else:
        assert answer.startswith("ForkedProcess: ")
        assert "get_context('spawn')" in answer
