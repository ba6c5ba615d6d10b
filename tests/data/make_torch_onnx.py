"""Write the ONNX files of both exporters of PyTorch (needs onnxscript): python make_torch_onnx.py."""

from pathlib import Path

import torch
from torch import nn

FOLDER = Path(__file__).parent
torch.manual_seed(0)
model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(6, 5),
    nn.BatchNorm1d(5),
    nn.SiLU(),
    nn.Linear(5, 4),
    nn.GELU(),
    nn.Dropout(),
    nn.Linear(4, 4, bias=False),
    nn.LeakyReLU(0.2),
    nn.Linear(4, 3),
    nn.Softplus(),
)
for _ in range(20):  # gives the batch norm statistics
    model(1 + 2 * torch.randn(50, 6))
model.eval()
x = torch.randn(2, 6)
torch.onnx.export(model, (x,), FOLDER / "torch_script.onnx", dynamo=False, opset_version=17)
torch.onnx.export(model, (x,), FOLDER / "torch_dynamo.onnx", dynamo=True)
