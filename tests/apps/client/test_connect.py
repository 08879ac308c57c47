"""A client in Python, against real servers: lost, refused, steered, and to equal bytes."""

import asyncio
import itertools
import threading

import numpy as np
import pytest
from served import CONTROLS, offline, served, settled
from wires import PATIENCE_S, free_port, wire

import soundstage
from soundstage import ControlError, ServerError

TOKEN = "four-friends"
MUSIC = {"prompts": ["bells"], "seed": CONTROLS["seed"]}


@pytest.fixture(scope="module")
def context():
    with served() as context:
        yield context


def url_of(context):
    return f"http://127.0.0.1:{context.settings.port}"


def connect(url, **options):
    """Connects to a server, or to several, for music as quickly as they make it."""
    options = {"pace": "fast", "give_up_s": PATIENCE_S, **MUSIC} | options
    return soundstage.connect(url, **options)


def heard(session, count):
    """Reads chunks; returns their samples as those of `offline`."""
    return np.concatenate([chunk.audio[0] for chunk in itertools.islice(session, count)])


def test_chunks_are_those_of_a_local_session_and_a_change_is_heard(context):
    with connect(url_of(context)) as session:
        session.steer(prompts=["drums"])
        first = next(session)
        assert (first.chunk, first.sample_rate, session.sample_rate) == (0, 48_000, 48_000)
        assert first.audio.dtype == np.float32
        assert first.audio.shape[::2] == (1, 2)
        np.testing.assert_array_equal(first.audio[0], offline(1, text="drums"))
        assert session.pipeline == "toy"
    assert settled(context, 0)


def test_stream_goes_on_after_a_lost_connection_and_a_lost_server(context):
    with served() as other, wire(other.settings.port) as proxy:
        with connect(f"ws://127.0.0.1:{proxy.port}/ws/stream") as session:
            audio = [heard(session, 2)]
            proxy.hang_up()
            audio.append(heard(session, 20))  # more than were on the way
            proxy.hang_up(context.settings.port)
            audio.append(heard(session, 20))
            assert other.fleet.counts().joined == 2
    np.testing.assert_array_equal(np.concatenate(audio), offline(42))
    assert settled(context, 0)


def test_next_of_several_addresses_is_tried_and_a_change_is_sent_again(context):
    gone = f"http://127.0.0.1:{free_port()}"
    with wire(context.settings.port) as proxy:
        with connect([gone, f"http://127.0.0.1:{proxy.port}", url_of(context)]) as session:
            proxy.hold()  # neither chunks nor the answer arrive
            steering = threading.Thread(target=session.steer, kwargs={"prompts": ["drums"]})
            steering.start()
            proxy.hang_up()
            steering.join(PATIENCE_S)
            assert not steering.is_alive()
            np.testing.assert_array_equal(heard(session, 3), offline(3, text="drums"))
            proxy.release()


def test_event_loop_gets_chunks_and_a_cancelled_wait_loses_none(context):
    async def scenario():
        with connect(url_of(context)) as session:
            wait = asyncio.create_task(session.__anext__())
            await asyncio.sleep(0)  # it has begun
            wait.cancel()
            with pytest.raises(asyncio.CancelledError):
                await wait
            chunks = [await anext(session) for _ in range(3)]
            return np.concatenate([chunk.audio[0] for chunk in chunks])

    np.testing.assert_array_equal(asyncio.run(scenario()), offline(3))


def test_refused_control_is_an_error_and_the_stream_goes_on(context):
    with pytest.raises(ControlError, match="temperature"):
        connect(url_of(context), temperature=-1)
    with pytest.raises(ControlError, match="files are not sent to a server"):
        connect(url_of(context), prompts=[soundstage.Audio("bells.wav")])
    with connect(url_of(context)) as session:
        with pytest.raises(ControlError, match="no control 'tempo'"):
            session.steer(tempo=3)
        with pytest.raises(ControlError, match="cannot be sent to a server: set"):
            session.steer(temperature={3})
        np.testing.assert_array_equal(heard(session, 2), offline(2))


def test_style_vector_is_a_prompt(context):
    with soundstage.open(preset="toy") as local:
        vector = local.embed("drums")
    with connect(url_of(context), prompts=[(vector, 2.0)]) as session:
        np.testing.assert_array_equal(heard(session, 1), offline(1, text="drums"))


def test_saved_session_goes_on_here_and_on_a_server(context, tmp_path):
    path = tmp_path / "evening.session"
    with connect(url_of(context)) as session:
        with pytest.raises(soundstage.UsageError, match="no chunk has arrived"):
            session.save(path)
        heard(session, 2)
        session.save(path)
        with pytest.raises(soundstage.InputError, match="cannot be read"):
            connect(url_of(context), session=tmp_path / "none")
    whole = offline(3)
    with soundstage.resume(path) as local, connect(url_of(context), session=path) as session:
        last = whole[2 * len(whole) // 3 :]
        np.testing.assert_array_equal(next(local).audio[0], last)
        np.testing.assert_array_equal(heard(session, 1), last)


def test_stream_of_another_pipeline_is_refused_and_other_listeners_play_on(context):
    with served(preset="toy-inject") as other, wire(context.settings.port) as proxy:
        with connect(url_of(other)) as listener, connect(f"http://127.0.0.1:{proxy.port}") as lost:
            heard(listener, 1)
            heard(lost, 1)
            proxy.hang_up(other.settings.port)
            reason = "refused: session: made by 'toy', not 'toy-inject': start without"
            with pytest.raises(ServerError, match=reason):
                heard(lost, 40)
            assert next(listener).chunk == 1
            proxy.hang_up(context.settings.port)
            assert next(lost).chunk > 0  # it may try again


def test_token_is_that_of_the_link_and_a_wrong_one_is_refused_at_once():
    with served(token=TOKEN) as context:
        with connect(f"{url_of(context)}/#token={TOKEN}") as session:
            heard(session, 1)
        with connect(f"{url_of(context)}/ws/stream?token={TOKEN}") as session:
            heard(session, 1)
        for token in (None, "wrong"):
            with pytest.raises(ServerError, match="token"):
                connect(url_of(context), token=token)
        assert settled(context, 0)


def test_full_server_is_asked_again_until_a_slot_is_free_or_the_time_is_over():
    with served(rows=1) as context:
        with connect(url_of(context)) as first, connect(url_of(context)) as waiting:
            heard(first, 1)
            with connect(url_of(context), give_up_s=0) as hasty:
                with pytest.raises(ServerError, match="full: all 1 slots are taken; gave up after"):
                    next(hasty)
            first.pause()
            assert next(waiting).chunk == 0
            assert context.fleet.counts().failed == 0


def test_server_that_is_away_or_is_none_is_one_line(context):
    with pytest.raises(ServerError, match=r"cannot be reached.*gave up after 0\.2 s"):
        connect(f"http://127.0.0.1:{free_port()}", give_up_s=0.2)
    with pytest.raises(ServerError, match="no soundstage server: HTTP 40"):
        connect(f"{url_of(context)}/elsewhere")
    for url, reason in (("localhost:8080", "give a URL such as"), ([], "got an empty list")):
        with pytest.raises(soundstage.InputError, match=reason):
            connect(url)
    with pytest.raises(soundstage.UsageError, match="give_up_s=nan: give seconds"):
        connect(url_of(context), give_up_s=float("nan"))


def test_closed_session_says_so_and_ends_a_wait(context):
    session = connect(url_of(context), pace="realtime")
    errors = []

    def read():
        try:
            heard(session, 1000)
        except soundstage.SessionClosed as error:
            errors.append(error)

    reading = threading.Thread(target=read)
    next(session)
    reading.start()
    session.close()
    reading.join(PATIENCE_S)
    assert len(errors) == 1
    with pytest.raises(soundstage.SessionClosed):
        session.steer(seed=1)
