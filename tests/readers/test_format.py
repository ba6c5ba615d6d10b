"""What a file is, told by its content; what it is instead, where it is no network."""

import gzip
import json
import os
import zipfile

import numpy as np
import pytest
import torch

from descrambler.errors import WeightFileError
from descrambler.readers import _format, load

LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)
INDEX = {
    "metadata": {"total_size": 8},
    "weight_map": {"a.weight": "model-00001-of-00002.safetensors", "b.weight": "model-2.bin"},
}
HTML = b"\xef\xbb\xbf\r\n<!DOCTYPE html>\n<html><body>Sign in</body></html>"
SAVED_MODEL = b"\x08\x01\x12\x90\x01\x0a\x10\x12\x05serve*" + bytes(200)


def refuse(path, message):
    with pytest.raises(WeightFileError, match=message) as info:
        load(path)
    assert str(info.value).startswith(f"{path}: ")
    assert "damaged" not in str(info.value)


@pytest.mark.parametrize("suffix", [".onnx", ".keras", ".h5", ".pt", ".safetensors", ".mat", ""])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file; the download"),
        (LFS, "a pointer of Git LFS .* 'git lfs pull'"),
        (LFS.replace(b"https", b"http").replace(b"git-lfs.github", b"git-media"), "Git LFS"),
        (HTML, "a web page"),
        (b"<html>404</html>", "a web page"),
        (b'<?xml version="1.0"?><PMML/>', "a web page .HTML or XML."),
        (json.dumps(INDEX).encode(), r"index of a model in 2 parts \(model-00001-of-00002.saf"),
        (b'{"class_name": "Sequential", "config": {}}', "layers of a Keras model without weights"),
        (b'{"architectures": ["Bert"]}', "text .JSON. without weights"),
        (SAVED_MODEL, "a TensorFlow SavedModel"),
        (b"\x1c\0\0\0TFL3" + bytes(40), "a TensorFlow Lite model"),
        (gzip.compress(b"weights", mtime=0), "compressed .gzip.: unpack it first"),
        (bytes(257) + b"ustar\x0000", "a tar archive"),
    ],
)
def test_what_it_is_instead(tmp_path, suffix, content, message):
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    refuse(path, message)


def test_one_array(tmp_path):
    np.save(tmp_path / "w.npy", np.eye(2))
    refuse(tmp_path / "w.npy", "one array .*numpy.savez")


def test_saved_model_by_its_name(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"\x0a\x10" + bytes(30))
    refuse(tmp_path / "saved_model.pb", "SavedModel")
    with pytest.raises(IsADirectoryError, match="is a folder.*SavedModel"):
        load(tmp_path)
    (tmp_path / "frozen.pb").write_bytes(b"\x0a\x10" + bytes(30))
    refuse(tmp_path / "frozen.pb", "a TensorFlow graph")


def test_link_of_an_incomplete_download(tmp_path):
    """As in the cache of Hugging Face, where names are links to blobs."""
    path = tmp_path / "model.safetensors"
    path.symlink_to("../../blobs/4d7a2146")
    with pytest.raises(FileNotFoundError, match="a link to .*blobs/4d7a2146, which is not there"):
        load(path)


def test_link_to_a_file(tmp_path):
    np.savez(tmp_path / "blob", W1=np.eye(2))
    (tmp_path / "net.npz").symlink_to("blob.npz")
    assert load(tmp_path / "net.npz", ["tanh"]).n_in == 2


def test_zip_of_networks(tmp_path):
    path = tmp_path / "agent.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", "{}")
        archive.writestr("policy.pth", b"PK")
    refuse(path, "a zip archive of files: unpack it and load 'policy.pth'")
    path = tmp_path / "net.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data/sample_inputs/model.pt", b"PK")
        archive.writestr("net/archive_format", "pt2")
    refuse(path, "a program of torch.export, which is not read; save its weights")


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "/dev/null"])
def test_no_regular_file(tmp_path, name):
    path = tmp_path / name
    if name == "pipe":
        os.mkfifo(path)
    with pytest.raises(WeightFileError, match="must be a regular file, got a pipe"):
        load(path)


def test_little_is_read(tmp_path):
    """A long file costs no more to tell than a short one."""
    path = tmp_path / "net.onnx"
    with path.open("wb") as file:
        file.write(b"\x08\x07")
        file.truncate(2**40)
    assert _format.told(path) == "onnx"
    with (tmp_path / "list.json").open("wb") as file:
        file.write(b'{"weight_map": ')
        file.truncate(2**40)
    with pytest.raises(WeightFileError, match="not a known format"):
        load(tmp_path / "list.json")


def test_torch_before_1_6(tmp_path):
    path = tmp_path / "net.pth"
    torch.save({"0.weight": torch.eye(2)}, path, _use_new_zipfile_serialization=False)
    assert _format.told(path) == "torch"
    assert load(path, ["tanh"]).n_in == 2


def test_safetensors_that_begin_as_text_does(tmp_path):
    """The first eight bytes are a length: here 123 is a brace, and 60 an angle bracket."""
    for length in (123, 60, 32, 9):
        text = json.dumps({"w": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]}})
        text = text.ljust(length)[: max(length, len(text))]
        path = tmp_path / f"{length}.safetensors"
        path.write_bytes(length.to_bytes(8, "little") + text.encode() + bytes(4))
        assert _format.told(path) == "safetensors"


class TestNumbersOfLayers:
    """What a small archive may ask for."""

    def save(self, tmp_path, text):
        path = tmp_path / "net.npz"
        arrays = {"schema": "descrambler.network.v1", "layers": text, "provenance": "{}"}
        np.savez_compressed(path, **arrays, **{"linear_1.weight": np.eye(2)})
        return path

    @pytest.mark.parametrize(
        ("n", "message"), [(10**6, "more than 4194304 characters"), (20_000, "names 20001 layers")]
    )
    def test_activations(self, tmp_path, n, message):
        text = '[{"type":"linear"}' + ',{"type":"activation","name":"tanh"}' * n + "]"
        path = self.save(tmp_path, text)
        with pytest.raises(WeightFileError, match=message):
            load(path)
