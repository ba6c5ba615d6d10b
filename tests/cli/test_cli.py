"""The command line: the demo, real files, users' errors."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.io import loadmat, savemat

import descrambler as ds
from descrambler.cli._inputs import read_inputs
from descrambler.cli._main import main
from descrambler.evidence._study import Study, resolved_part
from descrambler.evidence.nulls import random_counterpart

pytestmark = pytest.mark.usefixtures("one_thread")

NETS = Path(os.environ.get("DESCRAMBLER_TEST_DATA", "")) / "nets"
needs_data = pytest.mark.skipif(
    "DESCRAMBLER_TEST_DATA" not in os.environ, reason="DESCRAMBLER_TEST_DATA is not set"
)


@pytest.fixture
def small(tmp_path):
    generator = np.random.default_rng(0)
    weights = {
        f"W{k}": generator.standard_normal(shape)
        for k, shape in enumerate([(9, 12), (8, 9), (5, 8)], 1)
    }
    np.savez(tmp_path / "net.npz", **weights)
    np.save(tmp_path / "x.npy", generator.standard_normal((200, 12)))
    return tmp_path


@pytest.fixture
def no_pictures(monkeypatch):
    """Draw nothing: for runs whose words and numbers are the point."""
    monkeypatch.setattr("descrambler.cli._interpret.evidence_figures", lambda result: [])
    monkeypatch.setattr("descrambler.cli._pictures.network_figures", lambda pair: [])


def run_small(folder, *more):
    names = ["--activations", "tanh", "relu", "logistic"]
    inputs = ["--inputs", str(folder / "x.npy"), "-o", str(folder / "out"), "--force"]
    return main(["interpret", "--nulls", "0", str(folder / "net.npz"), *names, *inputs, *more])


def check_pictures(folder, names):
    for name in names:
        picture = matplotlib.image.imread(folder / f"{name}.png")
        assert picture[..., :3].std() > 0.05
        assert (folder / f"{name}.svg").read_text().rstrip().endswith("</svg>")


def test_demo(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("descrambler.cli._demo.DEMO_INPUTS", 600)
    assert main(["demo", "-o", str(tmp_path / "demo")]) == 0
    names = ["layer1", "layer2", "layer2_structure", "response", "jacobian", "replica"]
    check_pictures(tmp_path / "demo", names)
    assert matplotlib.image.imread(tmp_path / "demo" / "layer1_untrained.png")[..., :3].std() > 0.05
    table = capsys.readouterr().out
    report = (tmp_path / "demo" / "report.md").read_text()
    inverse = next(row for row in table.splitlines() if row.startswith("inverse of the reference"))
    assert inverse.split()[-1] == "learnt"
    with np.load(tmp_path / "demo" / "findings.npz", allow_pickle=False) as saved:
        for what, sentence in zip(saved["what"], saved["sentence"], strict=True):
            assert what in table
            assert sentence in report
    with np.load(tmp_path / "demo" / "layer1.npz", allow_pickle=False) as saved:
        p = saved["before.rotation"]
    np.testing.assert_allclose(p @ p.T, np.eye(80), atol=1e-12)


def test_interpret_with_axes(small, capsys):
    names = ["--activations", "tanh", "relu", "logistic"]
    inputs = ["--inputs", str(small / "x.npy"), "-o", str(small / "out"), "--nulls", "20"]
    axes = ["--axis", "time", "µs", "--axis", "distance", "Å", "--span", "0", "2", "15", "60"]
    axes += ["--unordered", "outputs"]
    assert main(["interpret", str(small / "net.npz"), *names, *inputs, *axes, "--json"]) == 0
    check_pictures(small / "out", ["layer1", "layer2", "layer3", "layer3_structure", "jacobian"])
    shown = json.loads(capsys.readouterr().out)
    found = shown["findings"]
    assert "not testable" in {finding["verdict"] for finding in found}
    with np.load(small / "out" / "findings.npz", allow_pickle=False) as saved:
        assert [finding["what"] for finding in found] == list(saved["what"])
        assert [finding["sentence"] for finding in found] == list(saved["sentence"])
        assert [finding["threshold"] for finding in found] == list(saved["threshold"])
    assert (shown["schema"], shown["version"]) == ("descrambler.interpret.v1", ds.__version__)
    given = {"path": str(small / "x.npy"), "rows": 200, "distinct": 200, "shared_with_nulls": 200}
    assert shown["inputs"] == given
    assert shown["nulls"]["draws"] == 20 and "random weights" in shown["nulls"]["kinds"]
    assert shown["widths"] == [12, 9, 8, 5]
    assert shown["versions"]["descrambler"] == ds.__version__
    report = (small / "out" / "report.md").read_text()
    assert "time" in report
    assert "1/µs" in report
    assert "order of the outputs" in report
    assert main(["interpret", str(small / "net.npz"), *names, *inputs, "--nulls", "3"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.usefixtures("no_pictures")
def test_run_on_a_deeper_network_of_plain_arrays(small, capsys):
    assert run_small(small) == 0
    assert "random_weights_link2_after.npz" in {f.name for f in (small / "out").iterdir()}
    assert capsys.readouterr().out.count("random weights") == 6
    assert not list((small / "out").glob(".*"))


@needs_data
@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("name", ["deer64_net01.mat", "ridme64_net01.mat"])
def test_released_networks(name, tmp_path, capsys):
    assert main(["inspect", str(NETS / name)]) == 0
    assert capsys.readouterr().out.count("linear") >= 6
    kernel = ds.deer.load_parameters(NETS / name).kernel
    generator = np.random.default_rng(0)
    traces = generator.dirichlet(np.full(512, 0.1), 600) @ kernel.T
    np.save(tmp_path / "x.npy", ds.deer.network_inputs(traces, random_state=0))
    inputs = ["--inputs", str(tmp_path / "x.npy"), "-o", str(tmp_path / "out")]
    assert main(["interpret", "--nulls", "0", str(NETS / name), *inputs]) == 0
    assert len(list((tmp_path / "out").glob("trained_link*.npz"))) == 15


def test_inspect_the_shipped_network(tmp_path, capsys):
    ds.deer.pretrained().save(tmp_path / "net.npz")
    assert main(["inspect", str(tmp_path / "net.npz")]) == 0
    shown = capsys.readouterr().out
    assert "untrained" in shown
    assert "validation_mse_network" in shown


def test_info(capsys):
    assert main(["info"]) == 0
    assert ds.__version__ in capsys.readouterr().out


def test_train_records_the_command_that_remakes_the_network(tmp_path, capsys):
    pytest.importorskip("torch", reason="the extra train is not installed")
    options = ["--seed", "3", "--steps", "128", "--weight-decay", "1e-5"]
    assert main(["train", "-o", str(tmp_path / "net.npz"), *options]) == 0
    network = ds.load(tmp_path / "net.npz")
    command = "descrambler train -o net.npz --seed 3 --widths 256 80 256 --weight-decay 1e-05"
    assert network.provenance["command"] == f"{command} --steps 128"
    assert network.initial is not None


@pytest.mark.parametrize("kind", ["once", "anew"])
def test_train_makes_controls_on_permuted_targets(tmp_path, kind):
    pytest.importorskip("torch", reason="the extra train is not installed")
    small = ["--widths", "16", "8", "16", "--steps", "8", "--shuffle", kind]
    assert main(["train", "-o", str(tmp_path / "net.npz"), *small]) == 0
    provenance = ds.load(tmp_path / "net.npz").provenance
    assert provenance["settings"]["shuffle"] == kind
    assert provenance["command"].endswith(f"--steps 8 --shuffle {kind}")
    many = ["train", "-o", str(tmp_path / "nets"), "--seeds", "5-5", "--jobs", "1", *small]
    assert main(many) == 0
    assert (tmp_path / "nets" / f"deernet_16_8_16_wd1e-06_{kind}_seed5.npz").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((3, 7)), "shape"),
        (np.full((3, 12), np.nan), "finite"),
        (np.array([{}], dtype=object), "Object arrays"),
        (None, "No such file"),
    ],
)
def test_bad_inputs_are_one_line(small, capsys, content, message):
    (small / "x.npy").unlink()
    if content is not None:
        np.save(small / "x.npy", content, allow_pickle=True)
    assert run_small(small) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def read_small(small, path):
    return read_inputs(path, ds.load(small / "net.npz", ["tanh", "relu", "logistic"]))


def test_inputs_may_be_an_archive_with_one_array(small):
    x, path = np.load(small / "x.npy"), small / "x.npz"
    np.savez(path, x=x)
    np.testing.assert_array_equal(read_small(small, path), x)
    np.savez(path, traces=x, distributions=x[::-1])
    np.testing.assert_array_equal(read_small(small, path), x)
    np.savez(path, y=x, z=x)
    with pytest.raises(ValueError, match="found 2"):
        read_small(small, path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match=f"{path}"):
        read_small(small, path)


def test_inputs_may_be_of_matlab(small):
    x, path = np.load(small / "x.npy"), small / "x.mat"
    savemat(path, {"x": x, "note": "text", "step": 0.5})
    np.testing.assert_array_equal(read_small(small, path), x)
    savemat(path, {"y": x, "z": x})
    with pytest.raises(ValueError, match="must hold one array of numbers.*; found 2"):
        read_small(small, path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=f"{path}: a damaged .mat file"):
        read_small(small, path)


@pytest.mark.parametrize("titles", ["", "a,b,c,d,e,f,g,h,i,j,k,l\n"])
def test_inputs_may_be_a_table(small, titles):
    x, path = np.load(small / "x.npy"), small / "x.csv"
    path.write_text(titles + "\n".join(",".join(map(repr, row)) for row in x.tolist()) + "\n")
    np.testing.assert_array_equal(read_small(small, path), x)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"1,2\n3\n", "line 2 has 1 cells, the first line of numbers 2"),
        ("x.csv", b"", "it holds no lines of numbers"),
        ("x.csv", b"\xff\xfe,\n", "no lines of numbers"),
        ("x.csv", b"1,2\n3,4\n", r"shape \(m, 12\), found \(2, 2\)"),
        ("x.txt", b"1,2", "must be an .npy, .npz or .mat with one matrix, or .csv"),
    ],
)
def test_inputs_that_are_none(small, name, content, message):
    (small / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_small(small, small / name)


def test_results_are_not_overwritten(small, capsys):
    (small / "out").mkdir()
    (small / "out" / "mine.txt").write_text("precious")
    names = ["--activations", "tanh", "relu", "logistic"]
    run = [
        "interpret",
        "--nulls",
        "0",
        str(small / "net.npz"),
        *names,
        "--inputs",
        str(small / "x.npy"),
    ]
    assert main([*run, "-o", str(small / "out")]) == 2
    assert "out is not empty: give another folder, or --force" in capsys.readouterr().err
    assert [file.name for file in (small / "out").iterdir()] == ["mine.txt"]
    assert main(["train", "-o", str(small / "net.npz")]) == 2
    assert "net.npz is there already" in capsys.readouterr().err


@pytest.mark.usefixtures("no_pictures")
def test_no_empty_folder_is_left_behind(small):
    made, empty = small / "made", small / "empty"
    empty.mkdir()
    np.save(small / "x.npy", np.ones((200, 12)))
    for folder in (made, empty):
        assert run_small(small, "-o", str(folder), "--nulls", "20") == 2
    assert not made.exists()
    assert empty.exists()


def test_json(small, capsys):
    names = ["--activations", "tanh", "relu", "logistic"]
    assert main(["inspect", str(small / "net.npz"), *names, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    linear = {"type": "linear", "inputs": 12, "outputs": 9, "bias": False, "dtype": "float64"}
    assert shown["layers"][:2] == [linear, {"type": "activation", "name": "tanh"}]
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["descrambler"] == ds.__version__
    assert run_small(small, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["inputs"] == 200
    assert len(shown["results"]) == 12
    assert {r["network"] for r in shown["results"]} == {"trained", "random weights"}
    assert all(r["after"] <= r["before"] for r in shown["results"])


def test_layers_may_be_named(tmp_path, capsys):
    path = tmp_path / "net.safetensors"
    save_file({"out.weight": np.eye(2, 3), "first.weight": np.eye(3)}, path)
    assert main(["inspect", str(path), "--activations", "first=tanh", "out=relu"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("tanh") < shown.index("relu")
    assert main(["inspect", str(path), "--activations", "tanh", "relu"]) == 2
    assert "must name every layer in its order" in capsys.readouterr().err
    part = ["--activations", "tanh", "--prefix", "first"]
    save_file({"first.0.weight": np.eye(3), "second.0.weight": np.eye(3)}, path)
    assert main(["inspect", str(path), *part]) == 0
    assert "9 parameters" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["npz", "mat"])
def test_simulate(tmp_path, capsys, suffix):
    path = tmp_path / f"traces.{suffix}"
    command = ["simulate", "30", "--points", "64", "--seed", "5", "-o", str(path)]
    assert main(command) == 0
    assert capsys.readouterr().out == f"{path}: 30 traces of 64 points\n"
    saved = dict(np.load(path)) if suffix == "npz" else loadmat(path)
    np.testing.assert_array_equal(saved["traces"], ds.deer.simulate(30, 5, 64).traces)
    assert saved["time"].size == saved["distance"].size == 64
    assert main(command) == 2
    assert "is there already" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0


def test_a_pipe_that_closes_early(small):
    ds.deer.pretrained().save(small / "big.npz")
    command = f"{sys.executable} -m descrambler inspect {small / 'big.npz'} | head -c 1"
    process = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stderr) == (0, "")


COMMANDS = {
    "inspect": ["nowhere.npz"],
    "interpret": ["net.npz", "--inputs", "nowhere.npy", "-o", "new"],
    "report": ["nowhere"],
    "train": ["-o", "nowhere/net.npz"],
    "simulate": ["30", "-o", "nowhere/traces.npz"],
    "deer": ["nowhere.DTA", "-o", "new"],
    "calibrate": ["--net", "nowhere.npz", "-o", "new"],
    "ensemble": ["nowhere.npz", "--simulate", "30", "-o", "new"],
    "demo": ["-o", "net.npz"],
    "rotate": ["nowhere", "-o", "new"],
    "paper": ["-o", "net.npz"],
    "bench": ["nonsense"],
    "info": ["nonsense"],
    "completion": ["nonsense"],
}
"""Every command, with arguments that are a user's error."""


def test_no_command_is_forgotten(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert set(COMMANDS) == set(re.findall(r"^    (\w+)", capsys.readouterr().out, re.M))


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"bench", "completion"}))
def test_commands_have_one_style(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"example: descrambler {command}" in shown
    assert "--json" in shown
    assert ("--force" in shown) == ("--output" in shown)


@pytest.mark.parametrize(("command", "arguments"), COMMANDS.items())
def test_a_users_error_is_told_without_a_traceback(small, monkeypatch, capsys, command, arguments):
    monkeypatch.chdir(small)
    before = {path.name for path in small.iterdir()}
    try:
        code = main([command, *arguments])
    except SystemExit as ended:
        code = ended.code
    out, error = capsys.readouterr()
    assert (code, out) == (2, "")
    assert error.splitlines()[-1].startswith("descrambler") and "Traceback" not in error
    # At most an empty folder is left.
    assert {path.name for path in small.iterdir()} - before <= {"new"}
    assert not (small / "new").exists() or not any((small / "new").iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["info"],
        ["inspect", "shipped.npz"],
        ["simulate", "30", "--points", "64", "-o", "traces.npz"],
        ["deer", "trace.txt", "--unit", "us", "-o", "out"],
        ["ensemble", "shipped.npz", "shipped.npz", "--simulate", "40", "-o", "out"],
        ["train", "--widths", "16", "8", "16", "--steps", "8", "-o", "net.npz"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_json_is_all_that_is_printed(tmp_path, monkeypatch, capsys, arguments):
    if arguments[0] == "train":
        pytest.importorskip("torch", reason="the extra train is not installed")
    monkeypatch.chdir(tmp_path)
    ds.deer.pretrained().save("shipped.npz")
    data = ds.deer.simulate(1, 3)
    np.savetxt("trace.txt", np.column_stack([data.time, data.traces[0]]))
    assert main([*arguments, "--json"]) == 0
    out, error = capsys.readouterr()
    assert isinstance(json.loads(out), dict)
    assert error == ""


def interruptible(*arguments):
    """Start a command that obeys SIGINT even where the shell has it ignored."""
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from descrambler.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupt_when(process, ready):
    while not ready():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.strip() == "descrambler: interrupted"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_python_drops_is_raised_again(number, monkeypatch, capsys):
    class Finalized:
        def __del__(self):
            signal.raise_signal(number)

    def action(_):
        held = Finalized()
        del held
        time.sleep(10)
        raise AssertionError

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr("descrambler.cli._inspect.info", action)
    try:
        assert main(["info"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "descrambler: interrupted\n"


def weights(path):
    network = ds.load(path)
    return [linear.weight for linear in network.linears]


def test_an_interrupted_training_goes_on(tmp_path):
    pytest.importorskip("torch", reason="PyTorch (the extra `train`) is not installed")
    small = ["--widths", "16", "8", "16", "--steps", "3000"]
    process = interruptible("train", "-o", tmp_path / "net.npz", *small)
    log = tmp_path / "net.csv"
    interrupt_when(process, lambda: log.exists() and log.read_text().count("\n") > 3)
    assert (tmp_path / "net.checkpoint").exists()
    assert not (tmp_path / "net.npz").exists()
    known = log.read_text().splitlines()
    assert main(["train", "-o", str(tmp_path / "net.npz"), *small]) == 0
    assert main(["train", "-o", str(tmp_path / "whole.npz"), *small]) == 0
    for one, other in zip(
        weights(tmp_path / "net.npz"), weights(tmp_path / "whole.npz"), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    lines = log.read_text().splitlines()
    assert lines[: len(known)] == known
    assert lines[0] == "step,progress,seconds,loss,validation"
    assert len(lines) == len((tmp_path / "whole.csv").read_text().splitlines())
    assert sorted(path.name for path in tmp_path.glob("net*")) == ["net.csv", "net.npz", "net.png"]
    assert matplotlib.image.imread(tmp_path / "net.png")[..., :3].std() > 0.05


def test_many_seeds_in_parallel_processes(tmp_path, capsys):
    pytest.importorskip("torch", reason="PyTorch (the extra `train`) is not installed")
    small = ["--widths", "16", "8", "16", "--seeds", "3-4", "--jobs", "2", "--steps"]
    nets = tmp_path / "nets"
    process = interruptible("train", "-o", nets, *small, "200000")
    interrupt_when(process, lambda: len(list(nets.glob("*.csv"))) == 2)
    assert not list(nets.glob("*.npz"))
    for left in nets.iterdir():
        left.unlink()
    capsys.readouterr()
    assert main(["train", "-o", str(nets), *small, "300", "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)
    assert main(["train", "-o", str(tmp_path / "net.npz"), *small[:4], "--seed", "4",
                 "--steps", "300"]) == 0  # fmt: skip
    paths = [nets / f"deernet_16_8_16_wd1e-06_seed{seed}.npz" for seed in (3, 4)]
    assert sorted(nets.glob("*.npz")) == paths
    for one, other in zip(weights(paths[1]), weights(tmp_path / "net.npz"), strict=True):
        np.testing.assert_array_equal(one, other)
    capsys.readouterr()
    assert main(["train", "-o", str(nets), *small, "300"]) == 0
    assert capsys.readouterr().out == "2 of 2 networks are there already\n"


@pytest.mark.parametrize("seeds", ["", "a", "3-1", "1-b"])
def test_bad_seeds(seeds, tmp_path):
    with pytest.raises(SystemExit):
        main(["train", "-o", str(tmp_path), "--seeds", seeds])


def test_train_refuses_a_bad_place_before_it_trains(tmp_path, capsys):
    assert main(["train", "-o", str(tmp_path / "nowhere" / "net.npz")]) == 2
    assert "nowhere is not a folder" in capsys.readouterr().err
    assert main(["train", "-o", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err


def test_module_and_version():
    command = [sys.executable, "-m", "descrambler", "--version"]
    assert subprocess.check_output(command, text=True) == f"descrambler {ds.__version__}\n"


def test_import_leaves_matplotlib_alone():
    code = "import sys, descrambler, descrambler.cli; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_file_that_is_no_network(tmp_path, capsys):
    (tmp_path / "net.npz").write_bytes(b"nothing of the kind")
    assert main(["inspect", str(tmp_path / "net.npz")]) == 2
    assert "net.npz" in capsys.readouterr().err


def test_ctrl_c_exits_130(monkeypatch, capsys):
    def interrupted(output):
        raise KeyboardInterrupt

    monkeypatch.setattr("descrambler.cli._demo.demo", interrupted)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == "descrambler: interrupted\n"


def test_study_rotates_both_sides():
    network = random_counterpart(ds.deer.pretrained(), 3)
    x = ds.deer.simulate(500, random_state=2).traces
    study = Study(network, x)
    link = study.links[0]
    p, q = link.before.rotation.matrix, link.after.rotation.matrix
    np.testing.assert_allclose(study.weights(1), p @ network.linear(1).weight, atol=1e-5)
    np.testing.assert_allclose(study.weights(2), network.linear(2).weight @ q.T, atol=1e-5)
    part = resolved_part(link.before)
    np.testing.assert_allclose(part @ part.T @ part, part, atol=1e-10)
    assert np.linalg.matrix_rank(part) == link.before.resolved.sum()


def test_study_needs_a_link():
    network = ds.Network([ds.Linear(np.eye(3))])
    with pytest.raises(ValueError, match="at least two linear layers"):
        Study(network, np.ones((4, 3)))


@pytest.mark.usefixtures("no_pictures")
def test_interpret_with_controls_reference_and_targets(tmp_path, capsys):
    """Folders of controls by their names; a folder of such folders stands for them."""
    rng = np.random.default_rng(0)

    def network(seed):
        weights = np.random.default_rng(seed)
        first, second = weights.standard_normal((6, 12)), weights.standard_normal((10, 6))
        return ds.Network([ds.Linear(first), ds.Activation("tanh"), ds.Linear(second)])

    x = rng.standard_normal((60, 12))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", network(0)(x))
    np.save(tmp_path / "k.npy", rng.standard_normal((12, 10)))
    network(0).save(tmp_path / "net.npz")
    network(1).save(tmp_path / "other.npz")
    for kind, first in (("once", 10), ("anew", 20)):
        folder = tmp_path / "controls" / kind
        folder.mkdir(parents=True)
        (folder / "notes.txt").write_text("not a network")
        for seed in range(first, first + 3):
            network(seed).save(folder / f"{seed}.npz")
    common = [
        "--inputs",
        str(tmp_path / "x.npy"),
        "--nulls",
        "20",
        "--reference",
        str(tmp_path / "k.npy"),
    ]
    common += ["--targets", str(tmp_path / "y.npy"), "--json"]
    given = ["--controls", str(tmp_path / "controls"), "-o", str(tmp_path / "out")]
    assert main(["interpret", str(tmp_path / "net.npz"), *common, *given]) == 0
    shown = json.loads(capsys.readouterr().out)
    findings = shown["findings"]
    assert shown["doubt"] == ""
    assert findings[0]["what"] == "inverse of the reference"
    assert {kind: c["n"] for kind, c in findings[0]["controls"].items()} == {"anew": 3, "once": 3}
    assert len(findings[0]["controls"]["once"]["values"]) == 3
    assert any(finding["used"] for finding in findings)
    several = [str(tmp_path / "net.npz"), str(tmp_path / "other.npz")]
    given = ["--controls", str(tmp_path / "controls" / "once"), "-o", str(tmp_path / "two")]
    assert main(["interpret", *several, *common, *given]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert all(len(row["verdicts"]) == 2 for row in shown["findings"])
    assert shown["doubts"][0] == ""
    assert shown["doubts"][1].startswith("the outputs are no closer to the targets than")
    assert (tmp_path / "two" / "other" / "findings.npz").exists()
    (tmp_path / "empty").mkdir()
    for wrong, message in (
        (tmp_path / "nowhere", "No such folder"),
        (tmp_path / "empty", "there is no network file in this folder"),
    ):
        given = ["--controls", str(wrong), "-o", str(tmp_path / "three")]
        assert main(["interpret", several[0], *common, *given]) == 2
        assert message in capsys.readouterr().err
