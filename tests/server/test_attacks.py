"""What strangers, broken clients and clients that lie get of a server: words and the right status, and nothing else."""

from __future__ import annotations

import json
import socket
import time

import httpx
import numpy as np
import psutil
import pytest
from lab import KEY, Lab, Listener, closing, until
from process import ServerProcess

from napari_medsam2.engine.events import Failed
from napari_medsam2.errors import OptionError
from napari_medsam2.images.header import ImageHeader
from napari_medsam2.remote.engine import RemoteEngine
from napari_medsam2.server.settings import ServerSettings
from napari_medsam2.wire.chunks import ImageLimits, checksum_of, pack_part
from napari_medsam2.wire.lines import read_line

FRAME = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)
HEADER = ImageHeader.of(FRAME.shape, FRAME.dtype)
OPEN = {"i": 1, "n": 1, "g": 1, "do": "open", "with": {"frames": [[3, 64, 48, 0, "u2"]], "options": {}, "adapt": None}}


@pytest.fixture
def lab(tmp_path):
    lab = Lab(tmp_path, body_s=1.0, head_s=1.0, connections=24, limits=ImageLimits(frames=100, frame_bytes=1 << 20))
    yield lab
    lab.stop()


@pytest.fixture
def locked(tmp_path):
    lab = Lab(tmp_path, keys=(KEY, "another-key-of-16"))
    yield lab
    lab.stop()


def lines_of(lab: Lab, session: str, token: str, wanted: int) -> list[tuple]:
    """The first lines that a session says."""
    found = []
    with httpx.stream(
        "GET", f"{lab.address}/v1/{session}/events", headers={"X-Session-Token": token}, trust_env=False
    ) as answer:
        for line in answer.iter_lines():
            kind, number, told = read_line(line)
            if number is not None:
                found.append((kind, told))
            if len(found) == wanted:
                return found
    raise AssertionError(f"{found} is all that came")


def test_an_address_that_others_reach_needs_a_key_and_a_key_is_long() -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "gpu.lab.org"):
        with pytest.raises(OptionError, match="--api-key-file"):
            ServerSettings(host=host)
        assert ServerSettings(host=host, keys=("x" * 24,)).keys
    with pytest.raises(OptionError, match="openssl"):
        ServerSettings(keys=("short",))
    assert ServerSettings(host="::1").host == "::1"


@pytest.mark.parametrize("path", ["status", "sessions", "sessions/x/events", "sessions/x/requests"])
def test_nobody_gets_in_without_the_key(locked: Lab, path: str) -> None:
    method = "POST" if path.endswith(("sessions", "requests")) else "GET"
    assert locked.ask(method, path).status_code == 401
    for wrong in ("wrong", KEY[:-1], KEY + "x", "ключ".encode().decode("latin-1")):
        answer = locked.ask(method, path, headers={"Authorization": f"Bearer {wrong}".encode("latin-1")})
        assert answer.status_code == 401 and "WWW-Authenticate" in answer.headers
    assert locked.ask(method, path, headers={"Authorization": f"Basic {KEY}"}).status_code == 401


def test_who_guesses_keys_is_made_to_wait_and_who_has_one_is_not(locked: Lab) -> None:
    answers = [locked.ask("GET", "status", key=f"guess-{n}").status_code for n in range(40)]
    assert answers[0] == 401 and 429 in answers
    assert locked.ask("GET", "status", key=KEY).status_code == 200


def test_a_session_is_its_owners_alone(locked: Lab) -> None:
    session, token = locked.begin(key=KEY)
    other, others_token = locked.begin(key="another-key-of-16")
    beat = {"json": {"seen": 0}}
    assert locked.ask("POST", f"{session}/heartbeat", key=KEY, token=token, **beat).status_code == 200
    for key, given in ((KEY, ""), (KEY, others_token), ("another-key-of-16", token), ("another-key-of-16", "")):
        assert locked.ask("POST", f"{session}/heartbeat", key=key, token=given, **beat).status_code == 404
        assert locked.ask("DELETE", session, key=key, token=given).status_code == 404
    for strange in ("sessions/../status", "sessions/%2e%2e%2f%2e%2e", "sessions/0", f"{other}/../../status"):
        assert locked.ask("DELETE", strange, key=KEY, token=token).status_code in (204, 404, 405)
    assert locked.ask("POST", f"{other}/heartbeat", key="another-key-of-16", token=others_token, **beat).is_success


@pytest.mark.parametrize(
    "headers",
    [{"X-Forwarded-For": "8.8.8.8"}, {"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Via": "1.1 x"}],
)
def test_without_a_key_neither_a_proxy_nor_a_web_page_gets_in(lab: Lab, headers: dict) -> None:
    assert lab.ask("GET", "status", headers=headers).status_code == 403
    assert lab.ask("GET", "status").status_code == 200


def test_no_more_sessions_than_there_are_places(tmp_path) -> None:
    lab = Lab(tmp_path, max_sessions=2, lease_s=1.5)
    lab.begin()
    session, token = lab.begin()
    full = lab.ask("POST", "sessions", json={"protocol": 1})
    assert full.status_code == 503 and "all 2 places" in full.json()["detail"] and "Retry-After" in full.headers
    heard = Listener()
    with closing(RemoteEngine(heard, lab.address)) as engine:
        engine.load_model("blobs")
        assert "all 2 places" in heard.wait_for(Failed).message
        until(lambda: len(lab.sessions) < 2)  # who gives no sign of life loses the place
        until(lambda: lab.ask("DELETE", session, token=token).status_code in (204, 404))
        engine.load_model("blobs")
        until(lambda: engine.n_unfinished == 0)
        assert lab.ask("GET", "status").json()["loaded"] == {"blobs": "cpu"}
    lab.stop()


def test_who_asks_too_often_is_told_to_wait(tmp_path) -> None:
    lab = Lab(tmp_path, requests_a_second=2.0)
    session, token = lab.begin()
    answers = [lab.ask("POST", f"{session}/heartbeat", token=token, json={"seen": 0}) for _ in range(40)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert answers[0].status_code == 200 and int(refused.headers["Retry-After"]) >= 1
    lab.stop()


def put(lab: Lab, session: str, token: str, body: bytes, *, frame=0, part=0, generation=1, checksum=None):
    path = f"{session}/images/{generation}/frames/{frame}/parts/{part}"
    headers = {"X-Checksum": checksum or checksum_of(body)}
    return lab.ask("PUT", path, token=token, content=body, headers=headers)


def test_chunks_that_lie_are_refused_and_those_that_come_twice_or_out_of_order_are_not(lab: Lab) -> None:
    session, token = lab.begin()
    body = pack_part(FRAME)
    assert put(lab, session, token, body).status_code == 422  # no images are open
    assert lab.ask("POST", f"{session}/requests", token=token, json={"requests": [OPEN]}).json() == {"received": 1}
    for frame in (2, 0, 0, 1, 2):
        assert put(lab, session, token, body, frame=frame).status_code == 204
    lies = {
        "checksum differs": {"body": body, "checksum": "00000000"},
        "must hold": {"body": pack_part(FRAME[:32])},
        "header of": {"body": b"\x05\x01"},
        "other pixels": {"body": pack_part(FRAME + 1)},
        "there is no frame": {"body": body, "frame": -1},
        "parts 0 to 0": {"body": body, "part": 1},
        "are not open": {"body": body, "generation": 7},
    }
    for words, told in lies.items():
        answer = put(lab, session, token, told.pop("body"), **told)
        assert answer.status_code == 422 and words in answer.json()["detail"], words
    assert put(lab, session, token, b"x" * (5 << 20)).status_code == 413
    huge = body[:4] + (1 << 30).to_bytes(4, "little") + body[8:]
    assert "must hold" in put(lab, session, token, huge, frame=1).json()["detail"]


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([[1000, 8, 8, 0, "u1"]], "1 to 100 frames"),
        ([[1, 100_000, 100_000, 0, "f8"]], "a frame may have"),
        ([[1, -8, 8, 0, "u1"]], "has pixels"),
        ([[1, 8, 8, 0, "O8"]], "real numbers"),
        ([[1, 8, 8, 2, "u1"]], "colours"),
        ([[10**18, 8, 8, 0, "u1"]], "1 to 100 frames"),
        ([[True, 8, 8, 0, "u1"]], "as a list"),
        ([], "no frames"),
        ("all of them", "as a list"),
    ],
)
def test_images_that_cannot_be_are_refused_in_words(lab: Lab, frames, words: str) -> None:
    session, token = lab.begin()
    asked = {**OPEN, "with": {**OPEN["with"], "frames": frames}}
    assert lab.ask("POST", f"{session}/requests", token=token, json={"requests": [asked]}).status_code == 200
    (kind, told), *_ = lines_of(lab, session, token, 1)
    assert kind == "events" and words in told["events"][0]["message"]


MASK = {"is": "MaskPrompt", "frame": 0, "object_id": 1, "mask": "AAAAAAAAAAD/////AAAAAA=="}
BOMB = {
    **{"is": "FrameResult", "frame": 0, "object_id": 1, "part": [0, 64, 0, 48], "window": None, "confidence": 1.0},
    **{"iou": 1.0, "objectness": 1.0, "seconds": 0.0, "prompted": True, "drawn": False, "boxed": False},
    "pixels": "eJztwTEBAAAAwqD1T20ND6AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("load_model", {"name_or_path": "../../../etc/passwd"}),
        ("load_model", {"name_or_path": "/root/.ssh/id_rsa"}),
        ("load_model", {"name_or_path": 7}),
        ("close", {}),
        ("__init__", {}),
        ("_let_go", {}),
        ("session", {}),
        ("add_prompt", {"prompt": {"is": "os.system", "command": "id"}}),
        ("add_prompt", {"prompt": {"is": "BoxPrompt", "frame": 0, "y0": 0, "x0": 0, "y1": 1e400, "x1": 1}}),
        ("add_prompt", {"prompt": {"is": "RunStatus"}}),
        ("add_prompt", {"prompt": {"is": "PointPrompt", "frame": 2**60, "y": 1, "x": 1}}),
        ("add_prompt", {"prompt": MASK}),
        ("take_results", {"results": [BOMB]}),
        ("take_results", {"results": [{**BOMB, "frame": 99}]}),
        ("take_results", {"results": [{**BOMB, "part": [0, 10**9, 0, 10**9]}]}),
        ("merge", {"into": 1, "others": [[[[1]]]]}),
        ("call", {"object_id": 1, "called": {"is": "LabelledObject", "name": "../../x", "colour": ["red"]}}),
        ("undo", {"surprise": 1}),
        ("propagate", {"direction": "sideways"}),
        ("split", {"object_id": 1, "surprise": 1}),
        ("preview", {}),
    ],
)
def test_requests_that_cannot_be_are_answered_in_words_and_the_session_goes_on(lab: Lab, name, arguments) -> None:
    session, token = lab.begin()
    asked = [OPEN, {"i": 2, "n": 2, "g": 1, "do": name, "with": arguments}, {"i": 3, "n": 3, "g": 1, "do": "undo"}]
    body = json.dumps({"requests": asked}).replace("Infinity", "1e400")
    answer = lab.ask("POST", f"{session}/requests", token=token, content=body)
    if "1e400" in body:
        assert answer.status_code == 422  # no number of JSON
        return
    assert answer.json() == {"received": 3}
    told = [each for _, each in lines_of(lab, session, token, 2 if name != "load_model" else 3)]
    failed = [event for each in told for event in each.get("events", ()) if event["is"] == "Failed"]
    assert failed and all(event["expected"] for event in failed), told


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"no json", b"[]", b'{"requests": 7}', b'{"requests": [{}]}', b"[" * 100_000, b"\xff\xfe"),
        b'{"requests": [{"i": 9, "n": 1, "g": 1, "do": "undo"}]}',
        b'{"requests": [{"i": "1", "n": 1, "g": 1, "do": "undo"}]}',
    ],
)
def test_bodies_that_are_no_requests_are_refused(lab: Lab, body: bytes) -> None:
    session, token = lab.begin()
    answer = lab.ask("POST", f"{session}/requests", token=token, content=body)
    assert answer.status_code == 422 and answer.json()["detail"]


def speak(lab: Lab, *parts: bytes, pause: float = 0.0) -> bytes:
    """What the server answers to bytes, before it closes the connection."""
    with socket.create_connection(("127.0.0.1", lab.port), timeout=20) as line:
        for part in parts:
            line.sendall(part)
            time.sleep(pause)
        answer = b""
        while more := line.recv(65536):
            answer += more
        return answer


@pytest.mark.parametrize("path", ["/v1/sessions", "/nowhere"])
def test_a_request_of_two_lengths_hides_no_other_one(lab: Lab, path: str) -> None:
    hidden = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {5 + len(hidden)}\r\n"
    answer = speak(lab, head.encode() + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden)
    assert answer.startswith(b"HTTP/1.1 400") and answer.count(b"HTTP/1.1") == 1


def test_a_body_that_never_ends_and_one_that_is_too_slow_are_given_up(lab: Lab) -> None:
    session, token = lab.begin()
    head = (
        f"POST /v1/{session}/requests HTTP/1.1\r\nHost: localhost\r\nX-Session-Token: {token}\r\n"
        "Content-Length: 1000000\r\n\r\n"
    )
    assert b"408" in speak(lab, head.encode() + b"{").split(b"\r\n")[0]
    endless = head.replace("Content-Length: 1000000", "Transfer-Encoding: chunked").replace("requests", "heartbeat")
    assert b"413" in speak(lab, endless.encode(), *[b"1000\r\n" + b" " * 4096 + b"\r\n"] * 3).split(b"\r\n")[0]
    lie = head.replace("1000000", str(1 << 40))
    assert b"413" in speak(lab, lie.encode()).split(b"\r\n")[0]


def test_a_connection_that_says_nothing_is_closed_and_too_many_are_not_taken(lab: Lab) -> None:
    assert speak(lab) == b""
    assert speak(lab, b"GET /v1/status HTTP/1.1\r\nHost: loc") == b""
    assert b"400" in speak(lab, b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    lines = []
    for _ in range(200):
        line = socket.create_connection(("127.0.0.1", lab.port), timeout=20)
        lines.append(line)
    until(lambda: len(lab.server.server_state.connections) <= 24)
    for line in lines:
        line.close()
    until(lambda: _answers(lab))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_connections_at_once_cost_nothing_and_a_session_goes_on() -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = ServerProcess()
    process, lines = psutil.Process(server.process.pid), []
    try:
        with httpx.Client(base_url=server.address, trust_env=False, timeout=30) as client:
            told = client.post("/v1/sessions", json={"protocol": 1}).json()
            beat = {"json": {"seen": 0}, "headers": {"X-Session-Token": told["token"]}}
            path, before = f"/v1/sessions/{told['number']}/heartbeat", process.memory_info().rss
            for n in range(10_000):
                lines.append(socket.create_connection((client.base_url.host, client.base_url.port), timeout=30))
                assert n % 500 or client.post(path, **beat).status_code == 200
            until(lambda: process.num_fds() < 300)  # those that it closes at once have been closed
            assert process.memory_info().rss - before < 32 << 20
            assert client.post(path, **beat).status_code == 200
    finally:
        for line in lines:
            line.close()
        server.kill()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _answers(lab: Lab) -> bool:
    try:
        return lab.ask("GET", "status").status_code == 200
    except OSError:
        return False
    except Exception as error:  # noqa: BLE001 - httpx has its own for a connection that is closed
        return "httpx" not in type(error).__module__


def test_a_client_that_vanishes_leaves_nothing_behind(tmp_path) -> None:
    lab = Lab(tmp_path, lease_s=1.0)
    session, token = lab.begin()
    lab.ask("POST", f"{session}/requests", token=token, json={"requests": [OPEN]})
    put(lab, session, token, pack_part(FRAME))
    until(lambda: len(lab.sessions) == 0)
    assert put(lab, session, token, pack_part(FRAME)).status_code == 404
    lab.stop()


def test_the_page_of_what_can_be_asked_fetches_nothing_from_elsewhere(lab: Lab) -> None:
    page = httpx.get(f"{lab.address}/docs", trust_env=False).text
    assert "/v1/sessions/{number}/events" in page and "Bearer" in page
    assert "<script" not in page and "http://" not in page and "https://" not in page
    schema = httpx.get(f"{lab.address}/openapi.json", trust_env=False).json()
    assert {"/v1/status", "/v1/sessions"} <= set(schema["paths"])
