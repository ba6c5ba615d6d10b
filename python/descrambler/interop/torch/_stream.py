"""The residual stream of a PyTorch model: fold, rotate, verify."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra
from ._stream_batches import stand_in
from ._stream_compare import compare
from ._stream_group import lifted, orthogonal, random_from
from ._stream_plan import plan
from ._stream_reading import StreamReader
from ._stream_save import refuse_saving, save
from ._stream_spec import Stream
from ._stream_state import BROKEN, check_no_dropout, check_whole
from ._stream_table import table
from ._stream_trace import trace, unfused
from ._stream_trace_readers import trace_readers
from ._stream_verify import StreamVerification
from ._stream_write import Record, restore, set_attribute, write
from ._taps import Forward, call, evaluating, several

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")


class ResidualStream(StreamReader):
    """The residual stream of one model, as :func:`residual_stream` returns it.

    ``print(stream)`` shows a table of what is written, read, folded and untied, and the group of
    rotations for which it is exact.

    Attributes
    ----------
    model : nn.Module
    spec : Stream
        The description.
    width : int
        Number of coordinates of the stream.
    untied : tuple of str
        Weights that shared a parameter with others and now have their own.
    """

    def __init__(self, model: torch.nn.Module, spec: Stream) -> None:
        self.model = model
        self.spec = spec
        self.untied: tuple[str, ...] = ()
        self._records: list[Record] = []
        self._traced = False
        self.width = self._parts().width

    def __repr__(self) -> str:
        kind = type(self.model).__name__
        return (
            f"ResidualStream({kind}, {self.spec.name!r}, width={self.width}, group={self.group!r})"
        )

    def __str__(self) -> str:
        return table(self.spec, self._parts(), self.group, self.untied, type(self.model).__name__)

    @property
    def group(self) -> str:
        """Group of rotations that do not change the model's function: "O(d)", or "O(d-1)"."""
        return "O(d-1)" if self._parts().centers else "O(d)"

    @property
    def points(self) -> tuple[str, ...]:
        """Names of the points at which the stream is read, in the order of the description."""
        return tuple(self._parts().points())

    def fold(self, *, keep_architecture: bool = True, backup: bool = False) -> ResidualStream:
        """Move the gains of the norms into the weights that read through them, in place.

        The model's function does not change. Tied weights that must differ are untied.

        Parameters
        ----------
        keep_architecture : bool
            For LayerNorms. True: they stay, with weight 1 and a shift; rotations must then
            fix the vector of ones. False: they become RMSNorms, for any rotation; the model can then not
            be saved as one of its class (use :meth:`save`).
        backup : bool
            Keep what is overwritten (the size of the model), for :meth:`restore`.

        Returns
        -------
        ResidualStream
            This one.

        Raises
        ------
        ValueError, RuntimeError
            If the fold cannot be exact; nothing is written then.
        """
        return self._change(None, keep_architecture, backup)

    def rotate(
        self, P: Any, *, keep_architecture: bool = True, backup: bool = False
    ) -> ResidualStream:
        """Rotate the stream in place: x becomes P x; the model's function does not change.

        Folds first what is not folded; both are then rounded once to the dtype of the weights.

        Parameters
        ----------
        P : array_like or Rotation, shape (d, d) or (d - 1, d - 1)
            Orthogonal. Where LayerNorms stay, P must fix the vector of ones; a smaller matrix is then
            taken as what happens in the space orthogonal to it.
        keep_architecture, backup
            As in :meth:`fold`.

        Returns
        -------
        ResidualStream
            This one.

        Raises
        ------
        ValueError, RuntimeError
            If P is not orthogonal or does not fix the ones where it must, or the fold cannot be exact;
            nothing is written then.
        """
        turn = orthogonal(P)
        centers = self._parts().centers and keep_architecture
        return self._change(lifted(turn, self.width, centers), keep_architecture, backup)

    def random_rotation(self, random_state: Any = None) -> Any:
        """Return a random rotation from the stream's group (Haar), as an array of shape (d, d)."""
        return random_from(self.width, self._parts().centers, random_state).numpy()

    def restore(self) -> None:
        """Bring back, bit for bit, what was there before the first operation with ``backup=True``.

        Raises
        ------
        RuntimeError
            If there is no backup.
        """
        if not (self._records and self._records[-1].backup):
            raise RuntimeError("nothing to restore from: no operation was called with backup=True")
        while self._records and self._records[-1].backup:
            restore(self.model, self._records[-1])
            self._records.pop()
        BROKEN.discard(self.model)
        if not self._records:
            self.untied = ()

    def trace(self, batch: Any = None, *, forward: Forward | None = None) -> None:
        """Check on a batch that nothing but the described weights writes or reads the stream.

        Three runs, nothing is written. In the second, what every writer adds is rotated, and rotated back before
        every norm. In the third, what every norm gives is rotated, and so are copies of the weights
        that read it. No other module may change.

        Parameters
        ----------
        batch
            What the model takes. None: random tokens or images.
        forward
            As in :func:`capture`.

        Raises
        ------
        ValueError
            If anything else changes, or the batch does not reach every norm.
        """
        parts = self._parts()
        given = batch is not None
        batch = batch if given else stand_in(self.model, parts)
        ask = "batch must be given: residual_stream(model, spec, batch) with a real batch of the model"
        if batch is None:
            raise ValueError(ask)

        def run() -> Any:
            try:
                return (forward or call)(self.model, batch)
            except Exception as error:
                if given:
                    raise
                raise ValueError(f"{ask} (random tokens failed: {error})") from error

        with evaluating(self.model), unfused():
            trace_readers(self.model, parts, run, trace(self.model, parts, run))
        self._traced = True

    def verify(
        self, batches: Iterable[Any], *, forward: Forward | None = None
    ) -> StreamVerification:
        """Compare the model with itself before the fold and the rotation.

        In float64 throughout (also norms, routers and softmax, which libraries compute in float32), in the
        model's own forward with weights in float64, and as the model is stored. Before any fold or rotation,
        a copy is folded and rotated by a random rotation. Needs room for two copies in float64.

        Parameters
        ----------
        batches, forward
            As in :func:`capture`.

        Returns
        -------
        StreamVerification

        Raises
        ------
        ValueError
            If a difference exceeds its tolerance; the error has the numbers as ``verification``.
        RuntimeError
            If an operation was interrupted.
        """
        check_whole(self.model)
        batches = list(several(batches))
        found = compare(self.model, self.spec, self._records, batches, forward)
        if failures := found.failures():
            reason = self._reason(batches[0], forward)
            error = ValueError(
                f"the model does not compute what it did: {'; '.join(failures)}{reason}"
            )
            error.verification = found  # type: ignore[attr-defined]
            raise error
        return found

    def _reason(self, batch: Any, forward: Forward | None) -> str:
        try:
            self.trace(batch, forward=forward)
        except ValueError as error:
            return f". {error}"
        return ""

    def save(self, path: Any) -> None:
        """Save all weights to a safetensors file, for :func:`load_rotated`.

        Needed where LayerNorms have become RMSNorms; any other model can be saved as usual.
        """
        check_whole(self.model)
        save(self.model, self.spec, any(r.centered for r in self._records), path)

    def _change(self, turn: Any, keep: bool, backup: bool) -> ResidualStream:
        check_whole(self.model)
        check_no_dropout(self.model)
        if not self._traced:
            self.trace()
        parts = self._parts()
        todo = plan(self.model, parts, True, keep, turn)
        backup = backup or bool(self._records and self._records[-1].backup)
        record = Record(turn, bool(todo.norms), backup)
        self._records.append(record)
        BROKEN.add(self.model)
        write(self.model, todo, record)
        if todo.norms and hasattr(self.model, "save_pretrained"):
            set_attribute(self.model, "save_pretrained", refuse_saving, record)
        BROKEN.discard(self.model)
        self.untied += todo.untied
        return self
