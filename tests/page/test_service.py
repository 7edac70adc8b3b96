"""The embedding service, asked by OpenAI's own client: beside the page and alone."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import openai
import pytest

from encoders.batcher import Batcher, TooBusy
from tests.fakes import FakeSpace
from tests.media import makers
from tests.page.conftest import Serve, Served
from tests.store.spaces import PictureSpace
from ui import serve_space
from ui import service as service_module
from ui.listener import Running


class SlowSpace(FakeSpace):
    """Takes its time, tells what it was given together, and fails for the word "fault"."""

    name = "slow"
    batch_size = 8

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.counted = 0
        self.pause = 0.0
        self.going = threading.Event()
        self.going.set()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        self.counted += len(texts)
        return super().count_tokens(texts)

    def prepare(self, modality: str, content: Any) -> Any:
        time.sleep(self.pause)
        return super().prepare(modality, content)

    def encode(self, modality: str, prepared: Sequence[Any]) -> np.ndarray:
        self.batches.append(len(prepared))
        time.sleep(self.pause)
        self.going.wait(10)
        if modality == "text" and "fault" in prepared:
            raise RuntimeError("no")
        return super().encode(modality, prepared)


def client(address: str, key: str = "x") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0)


def data_url(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def vectors(answer: Any) -> np.ndarray:
    assert [one.index for one in answer.data] == list(range(len(answer.data)))
    return np.array([one.embedding for one in answer.data], dtype=np.float32)


def refusal(address: str, body: Any, status: int = 400) -> dict[str, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = httpx.post(f"{address}/v1/embeddings", content=content, timeout=30)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


@pytest.fixture(scope="module")
def ask(served: Served) -> openai.OpenAI:
    return client(served.address)


@pytest.fixture
def slow() -> Iterator[tuple[SlowSpace, Running]]:
    space = SlowSpace()
    with serve_space(space, port=0, prevent_thread_lock=True) as running:
        yield space, running
        space.going.set()


class TestAnswers:
    def test_texts_in_order(self, ask: openai.OpenAI) -> None:
        texts = [f"red {number}" for number in range(40)]  # more than one batch
        answer = ask.embeddings.create(model="fake", input=texts)
        np.testing.assert_allclose(vectors(answer), FakeSpace().encode_texts(texts), atol=1e-6)
        assert answer.usage.prompt_tokens == answer.usage.total_tokens == 80

    def test_floats_and_base64_are_the_same(self, ask: openai.OpenAI) -> None:
        floats = ask.embeddings.create(model="fake", input="red", encoding_format="float")
        packed = ask.embeddings.create(model="fake", input="red", encoding_format="base64")
        assert isinstance(packed.data[0].embedding, str)
        raw = np.frombuffer(base64.b64decode(packed.data[0].embedding), dtype="<f4")
        np.testing.assert_array_equal(vectors(floats)[0], raw)

    def test_pictures_and_sounds_lie_with_their_words(
        self, ask: openai.OpenAI, served: Served
    ) -> None:
        red = data_url(served.media / "red.png", "image/png")
        hum = data_url(served.media / "hum.wav", "audio/wav")
        parts = [
            red,
            hum,
            {"type": "text", "text": "red"},
            {"type": "image_url", "image_url": {"url": red}},
            {"type": "input_audio", "input_audio": {"data": hum.split(",")[1], "format": "wav"}},
        ]
        rows = vectors(ask.embeddings.create(model="fake", input=parts))  # type: ignore[arg-type]
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(rows[0], rows[3], atol=1e-6)
        np.testing.assert_allclose(rows[1], rows[4], atol=1e-6)
        low = FakeSpace().encode_texts(["low"])[0]
        assert rows[0] @ rows[2] > 0.99 > rows[0] @ low
        assert rows[1] @ low > 0.99
        own = served.library.embed(served.media / "red.png")
        np.testing.assert_allclose(rows[0], own, atol=1e-5)

    def test_a_text_that_begins_like_an_address_is_a_text(self, ask: openai.OpenAI) -> None:
        texts = ["data: is the new oil", "http://red.example/"]
        rows = vectors(ask.embeddings.create(model="fake", input=texts))
        np.testing.assert_allclose(rows, FakeSpace().encode_texts(texts), atol=1e-6)

    def test_models(self, ask: openai.OpenAI) -> None:
        [model] = ask.models.list().data
        assert model.id == "fake"
        told = ask.models.retrieve("fake").model_dump()
        assert (told["dimensions"], told["modalities"]) == (16, ["audio", "image", "text"])
        with pytest.raises(openai.NotFoundError, match="There is no model"):
            ask.models.retrieve("other/model")

    def test_an_empty_library_embeds_as_well(self, serve: Serve) -> None:
        rows = vectors(client(serve(fill=False).address).embeddings.create(model="fake", input="a"))
        assert rows.shape == (1, 16)


@pytest.mark.parametrize(
    ("change", "sentence", "param"),
    [
        ({"input": []}, "input is empty", "input"),
        ({"input": ""}, "input is empty", "input"),
        ({"input": None}, "input is a text", "input"),
        ({"input": ["a", " "]}, "Input 1 is empty", "input"),
        ({"input": [1, 2]}, "Token numbers", "input"),
        ({"input": [[1, 2], [3]]}, "Token numbers", "input"),
        ({"input": ["a"] * 2_049}, "more than 2,048", "input"),
        ({"input": "a" * 200_001}, "more than 200,000 characters", "input"),
        ({"encoding_format": "int8"}, "float or base64", "encoding_format"),
        ({"dimensions": 8}, "cannot be shortened", "dimensions"),
        ({"input": ["data:image/png;base64,???"]}, "no valid base64", "input"),
        ({"input": ["data:image/png,abc"]}, "no data URL of base64", "input"),
        ({"input": ["data:image/png;base64,AAAA"]}, "not a picture of a known", "input"),
        ({"input": ["data:image/svg+xml;base64,PHN2Zz48L3N2Zz4="]}, "SVG", "input"),
        ({"input": [{"type": "smell"}]}, "'smell'", "input"),
        (
            {"input": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/a.png"}}]},
            "nothing is fetched",
            "input",
        ),
        (
            {"input": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]},
            "nothing is fetched",
            "input",
        ),
    ],
)
def test_wrong_requests_are_told_in_a_sentence(
    served: Served, change: dict[str, Any], sentence: str, param: str
) -> None:
    error = refusal(served.address, {"model": "fake", "input": "a"} | change)
    assert sentence in error["message"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert "/tmp" not in error["message"]


def test_what_is_no_request(served: Served) -> None:
    assert "no JSON" in refusal(served.address, b"{")["message"]
    assert "no JSON" in refusal(served.address, b"[" * 100_000)["message"]
    assert "JSON object" in refusal(served.address, b"[]")["message"]
    assert "model is missing" in refusal(served.address, {"input": "a"})["message"]
    error = refusal(served.address, {"model": "gpt", "input": "a"}, 404)
    assert error["code"] == "model_not_found"
    for path in ("completions", "embeddings/x"):
        answer = httpx.post(f"{served.address}/v1/{path}", json={})
        assert answer.status_code == 404
        assert "POST /v1/embeddings" in answer.json()["error"]["message"]


def test_media_are_limited(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def error(path: Path, kind: str, status: int) -> str:
        body = {"model": "fake", "input": [data_url(path, kind)]}
        return refusal(served.address, body, status)["message"]

    monkeypatch.setattr(service_module, "MAX_INPUT_SECONDS", 12)
    assert "longer than 12 seconds" in error(served.media / "siren.wav", "audio/wav", 413)
    monkeypatch.setattr("media.limits.MAX_PIXELS", 1_000)
    assert "pixels" in error(served.media / "red.png", "image/png", 400)
    note = tmp_path / "note.txt"
    note.write_text("words")
    assert "Input 0" in error(note, "image/png", 400)
    monkeypatch.setattr(service_module, "MAX_REQUEST_BYTES", 1_000)
    assert "larger than" in error(served.media / "hum.wav", "audio/wav", 413)
    chunks = iter([b"x" * 900, b"x" * 900])  # of a length that nobody announced
    answer = httpx.post(f"{served.address}/v1/embeddings", content=chunks)
    assert answer.status_code == 413


def test_a_space_refuses_what_it_does_not_know(served: Served) -> None:
    sound = data_url(served.media / "hum.wav", "audio/wav")

    class Wordless(PictureSpace):
        reads_text = False

    with serve_space(Wordless(), port=0, prevent_thread_lock=True) as running:
        body = {"model": "pictures", "input": [sound]}
        assert "cannot embed input 0" in refusal(running.address, body)["message"]
        body = {"model": "pictures", "input": "a cat"}
        assert "reads no words" in refusal(running.address, body)["message"]


class TestTogether:
    def test_what_comes_at_once_is_one_batch(self, slow: tuple[SlowSpace, Running]) -> None:
        space, running = slow
        space.going.clear()
        found: dict[int, np.ndarray] = {}

        def one(number: int) -> None:
            answer = client(running.address).embeddings.create(model="slow", input=f"w{number}")
            found[number] = vectors(answer)[0]

        threads = [threading.Thread(target=one, args=(number,)) for number in range(7)]
        threads[0].start()
        until(lambda: len(space.batches) == 1)
        for thread in threads[1:]:
            thread.start()
        until(lambda: space.counted == 7)
        time.sleep(0.3)  # from there to the queue it is but a step
        space.going.set()
        for thread in threads:
            thread.join()
        assert sum(space.batches) == 7
        assert len(space.batches) <= 3, "six waited while the first was worked on"
        for number, row in found.items():
            np.testing.assert_allclose(row, FakeSpace().encode_texts([f"w{number}"])[0], atol=1e-6)

    def test_only_the_culprit_is_refused(self) -> None:
        space = SlowSpace()
        batcher = Batcher(space)
        space.going.clear()
        first = batcher.submit("text", ["first"])
        until(lambda: space.batches)
        rest = [batcher.submit("text", [word]) for word in ("a", "fault", "b")]
        gone = batcher.submit("text", ["gone"])
        assert gone.cancel()
        space.going.set()
        assert first.result(5).shape == (1, 16)
        assert rest[0].result(5).shape == rest[2].result(5).shape == (1, 16)
        with pytest.raises(RuntimeError, match="no"):
            rest[1].result(5)
        assert space.batches == [1, 3, 1, 1, 1], "who has gone is not worked for"
        batcher.close()

    def test_too_much_is_refused(
        self, slow: tuple[SlowSpace, Running], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        space, running = slow
        monkeypatch.setattr("encoders.batcher.WAITING", 1)
        batcher = Batcher(space)
        space.going.clear()
        batcher.submit("text", ["a"])
        until(lambda: space.batches)
        batcher.submit("text", ["b"])
        with pytest.raises(TooBusy):
            batcher.submit("text", ["c"])
        monkeypatch.setattr(service_module, "MAX_REQUESTS", 0)
        error = refusal(running.address, {"model": "slow", "input": "a"}, 429)
        assert error["type"] == "rate_limit_error"
        space.going.set()
        batcher.close()

    def test_what_takes_too_long_is_given_up(
        self, slow: tuple[SlowSpace, Running], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        space, running = slow
        monkeypatch.setattr(service_module, "MAX_ANSWER_SECONDS", 0.1)
        space.going.clear()
        error = refusal(running.address, {"model": "slow", "input": "a"}, 503)
        assert "took too long" in error["message"]

    @pytest.mark.parametrize("kind", ["texts", "pictures"])
    def test_many_quick_batches_take_too_long_as_well(
        self,
        slow: tuple[SlowSpace, Running],
        served: Served,
        monkeypatch: pytest.MonkeyPatch,
        kind: str,
    ) -> None:
        space, running = slow
        monkeypatch.setattr(service_module, "MAX_ANSWER_SECONDS", 0.3)
        space.pause = 0.05  # each is done before anybody looks
        url = data_url(served.media / "red.png", "image/png")
        given = ["a"] * 240 if kind == "texts" else [url] * 30
        error = refusal(running.address, {"model": "slow", "input": given}, 503)
        assert "took too long" in error["message"]
        assert len(space.batches) < 10

    @pytest.mark.parametrize("kind", ["texts", "pictures"])
    def test_who_has_gone_is_not_worked_for(
        self, slow: tuple[SlowSpace, Running], served: Served, kind: str
    ) -> None:
        space, running = slow
        space.pause = 0.05
        url = data_url(served.media / "red.png", "image/png")
        given = ["a"] * 320 if kind == "texts" else [url] * 40
        body = {"model": "slow", "input": given}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{running.address}/v1/embeddings", json=body, timeout=0.3)
        time.sleep(0.5)
        done = len(space.batches)
        time.sleep(0.3)
        assert len(space.batches) == done < 40

    def test_a_body_that_never_ends_is_given_up(
        self, slow: tuple[SlowSpace, Running], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service_module, "MAX_ANSWER_SECONDS", 0.2)
        where = urlsplit(slow[1].address)
        with socket.create_connection((where.hostname, where.port), timeout=5) as caller:
            head = f"POST /v1/embeddings HTTP/1.1\r\nHost: {where.netloc}\r\n"
            caller.sendall(f'{head}Content-Length: 1000\r\n\r\n{{"model":'.encode())
            assert caller.recv(1_000).startswith(b"HTTP/1.1 503")

    def test_a_fault_is_told_without_its_inside(self, slow: tuple[SlowSpace, Running]) -> None:
        error = refusal(slow[1].address, {"model": "slow", "input": "fault"}, 500)
        assert error["message"] == "Something went wrong inside Anyfind; its log has the details."


class TestKey:
    @pytest.fixture(scope="class", params=["page", "alone"])
    def address(self, request: Any, serve: Serve) -> Iterator[str]:
        if request.param == "page":
            yield serve(auth=("ann", "s3cret!")).address
            return
        with serve_space(
            FakeSpace(), port=0, auth=("ann", "s3cret!"), prevent_thread_lock=True
        ) as running:
            yield running.address

    def test_nothing_without_it(self, address: str) -> None:
        for key in ("x", "ann:wrong", "ann", "ann:s3cret!!"):
            with pytest.raises(openai.AuthenticationError, match="API key"):
                client(address, key).embeddings.create(model="fake", input="a")
            with pytest.raises(openai.AuthenticationError):
                client(address, key).models.list()
        assert httpx.get(f"{address}/v1/models").status_code == 401

    def test_all_with_it(self, address: str) -> None:
        answer = client(address, "ann:s3cret!").embeddings.create(model="fake", input="a")
        assert vectors(answer).shape == (1, 16)
        assert httpx.get(f"{address}/v1/models", auth=("ann", "s3cret!")).status_code == 200


def test_pages_of_other_sites_are_refused() -> None:
    with serve_space(FakeSpace(), port=0, prevent_thread_lock=True) as running:
        body = {"model": "fake", "input": "a"}
        address = f"{running.address}/v1/embeddings"
        assert httpx.post(address, json=body, headers={"Host": "evil.example"}).status_code == 400
        site = {"Sec-Fetch-Site": "cross-site"}
        assert httpx.post(address, json=body, headers=site).status_code == 403


def test_a_damaged_picture_is_one_sentence(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    makers.make_jpeg(path, "red")
    path.write_bytes(path.read_bytes()[:200])
    body = {"model": "fake", "input": [data_url(path, "image/jpeg")]}
    assert "damaged" in refusal(served.address, body)["message"]


def until(true: Any) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
