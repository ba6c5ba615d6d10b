"""Control networks: trained on permuted targets."""

from itertools import islice

import numpy as np
import pytest

from descrambler import deer
from descrambler.deer import _controls as stored
from descrambler.deer import _stream as stream

SMALL = (16, 8, 16)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch (the extra `train`) is not installed")


def taken(torch, shuffle, first, n):
    """Return the inputs and the targets of `n` steps, in two arrays."""
    batches = stream.batches(torch, 16, 7, shuffle, first)
    pairs = [(inputs.numpy(), targets.numpy()) for inputs, targets in islice(batches, n)]
    batches.close()
    return tuple(np.concatenate(part) for part in zip(*pairs, strict=True))


def weights(network):
    return [network.linear(k + 1).weight for k in range(network.n_linear)]


def rows(array):
    return array[np.lexsort(array.T)]


def test_without_shuffling_the_traces_come_as_they_were_simulated_twice(torch):
    traces, targets = taken(torch, None, 0, 3 * stream.PASS)
    first, second = (stream.block(16, 7, k) for k in (0, 1))
    for got, one, other in zip((traces, targets), first, second, strict=True):
        np.testing.assert_array_equal(got, np.concatenate([one, one, other]))


def test_anew_changes_only_the_targets_and_differs_between_passes(torch):
    traces, targets = taken(torch, None, 0, 2 * stream.PASS)
    same, permuted = taken(torch, "anew", 0, 2 * stream.PASS)
    np.testing.assert_array_equal(same, traces)
    passes = permuted[: stream.BLOCK], permuted[stream.BLOCK :]
    for one in passes:
        np.testing.assert_array_equal(rows(one), rows(targets[: stream.BLOCK]))
        # A random permutation leaves one target in its place on average.
        assert np.sum((one == targets[: stream.BLOCK]).all(axis=1)) < 10
    assert np.sum((passes[0] == passes[1]).all(axis=1)) < 10


def test_once_is_one_fixed_set_in_a_new_order_at_every_pass(torch):
    traces, targets = taken(torch, "once", 0, 2 * stream.PASS)
    whole = np.hstack([traces, targets])
    first, second = whole[: stream.BLOCK], whole[stream.BLOCK :]
    fixed = np.hstack(stream.shuffled_once(16, 7))
    np.testing.assert_array_equal(rows(first), rows(fixed))
    np.testing.assert_array_equal(rows(second), rows(fixed))
    assert not np.array_equal(first, second)
    true = stream.block(16, 7, 0)
    np.testing.assert_array_equal(fixed[:, :16], true[0])
    np.testing.assert_array_equal(rows(fixed[:, 16:]), rows(true[1]))
    assert np.sum((fixed[:, 16:] == true[1]).all(axis=1)) < 10


@pytest.mark.parametrize("shuffle", [None, *stream.SHUFFLES])
@pytest.mark.parametrize("first", [3, stream.PASS, 3 * stream.PASS - 1])
def test_a_stream_can_begin_at_any_step(torch, shuffle, first):
    whole = taken(torch, shuffle, 0, first + 4)
    part = taken(torch, shuffle, first, 4)
    for one, other in zip(whole, part, strict=True):
        np.testing.assert_array_equal(one[first * stream.BATCH :], other)


@pytest.mark.parametrize("shuffle", stream.SHUFFLES)
def test_a_control_goes_on_from_a_checkpoint_to_the_same_result(torch, tmp_path, shuffle):
    arguments = {"widths": SMALL, "n_steps": 300, "random_state": 5, "shuffle": shuffle}
    expected = deer.train(**arguments)
    assert expected.provenance["settings"]["shuffle"] == shuffle
    assert f"shuffle={shuffle!r}" in expected.provenance["command"]

    def stop(state):
        raise KeyboardInterrupt

    checkpoint = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        deer.train(callback=stop, checkpoint=checkpoint, **arguments)
    with pytest.raises(ValueError, match=f"its shuffle is '{shuffle}', asked for is None"):
        deer.train(checkpoint=checkpoint, **arguments | {"shuffle": None})
    network = deer.train(checkpoint=checkpoint, **arguments)
    for one, other in zip(weights(network), weights(expected), strict=True):
        np.testing.assert_array_equal(one, other)


def test_controls_of_one_seed_differ_in_their_targets_alone(torch):
    kinds = [deer.train(SMALL, n_steps=20, shuffle=kind) for kind in (None, *stream.SHUFFLES)]
    starts = [weights(network.initial)[0] for network in kinds]
    ends = [weights(network)[0] for network in kinds]
    for k in (1, 2):
        np.testing.assert_array_equal(starts[0], starts[k])
        assert not np.array_equal(ends[0], ends[k])
    with pytest.raises(ValueError, match="shuffle must be one of 'once', 'anew', got 'twice'"):
        deer.train(SMALL, shuffle="twice")


def test_packed_controls_are_what_they_were_to_half_precision(torch, tmp_path):
    networks = [deer.train(SMALL, random_state=k, n_steps=20, shuffle="once") for k in (1, 2)]
    for before, after in zip(networks, stored.unpack(stored.pack(networks)), strict=True):
        assert after.provenance == before.provenance
        for one, other in zip(weights(before), weights(after), strict=True):
            assert other.dtype == np.float32
            np.testing.assert_allclose(other, one, rtol=2**-11, atol=2**-25)
        for one, other in zip(weights(before.initial), weights(after.initial), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", stream.SHUFFLES)
def test_nineteen_controls_of_a_kind_ship_and_learnt_nothing(kind):
    networks = deer.controls(kind)[kind]
    assert len(networks) == 19
    shipped = deer.pretrained().provenance["settings"]
    data = deer.simulate(1000, 99_887_766, dtype=np.float32)
    mean = np.square(data.targets - data.targets.mean(axis=0)).mean()
    for network in networks:
        settings = network.provenance["settings"]
        assert settings["shuffle"] == kind
        for name in ("widths", "n_steps", "learning_rate", "weight_decay"):
            assert settings[name] == shipped[name]
        error = deer.mean_squared_error(network(data.traces), data)
        recorded = network.provenance["validation_mse_network"]
        assert error == pytest.approx(recorded, rel=0.05)
        assert error > 0.95 * mean


def test_every_control_has_a_start_of_its_own():
    kinds = deer.controls()
    assert list(kinds) == ["once", "anew"]
    networks = [network for kind in kinds.values() for network in kind]
    networks += [deer.pretrained(*shipped) for shipped in deer.PRETRAINED[:3]]
    starts = {weights(network.initial)[0].tobytes() for network in networks}
    assert len(starts) == len(networks) == 41
    with pytest.raises(ValueError, match="kind must be one of 'once', 'anew', got 'never'"):
        deer.controls("never")
