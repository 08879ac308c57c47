"""Writes small TFLite graphs, operator by operator, with the schema that LiteRT ships."""

from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = {"float32": schema.TensorType.FLOAT32, "int32": schema.TensorType.INT32}
SCHEMA_VERSION = 3
IDENTIFIER = b"TFL3"


class GraphWriter:
    """A graph to which each call adds a tensor or an operator; tensors are numbers."""

    def __init__(self) -> None:
        self.tensors: list[schema.TensorT] = []
        self.buffers = [schema.BufferT()]  # the first means "no values"
        self.operators: list[schema.OperatorT] = []
        self.codes: list[int] = []
        self.inputs: list[int] = []

    def input(self, dtype: str, *shape: int) -> int:
        """Adds an input."""
        self.inputs.append(self._tensor(dtype, shape))
        return self.inputs[-1]

    def constant(self, values: np.ndarray) -> int:
        """Adds a tensor with values."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.buffers.append(buffer)
        return self._tensor(values.dtype.name, values.shape, len(self.buffers) - 1)

    def apply(self, name: str, inputs: list[int], *shape: int, dtype="float32", **options) -> int:
        """Adds an operator by its name in the schema, e.g. FULLY_CONNECTED; returns its output."""
        code = getattr(schema.BuiltinOperator, name)
        operator, kind = schema.OperatorT(), name.title().replace("_", "") + "Options"
        if code not in self.codes:
            self.codes.append(code)
        operator.opcodeIndex = self.codes.index(code)
        operator.inputs, operator.outputs = inputs, [self._tensor(dtype, shape)]
        if hasattr(schema, kind + "T"):
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = getattr(schema, kind + "T")()
            for option, value in options.items():
                setattr(operator.builtinOptions, option, value)
        self.operators.append(operator)
        return operator.outputs[0]

    def linear(self, x: int, kernel: np.ndarray, rows: int = 1) -> int:
        """Adds x @ kernel; x is [rows, in], kernel [in, out]."""
        weights = self.constant(np.ascontiguousarray(kernel.T))
        return self.apply("FULLY_CONNECTED", [x, weights, -1], rows, kernel.shape[1])

    def reshape(self, x: int, *shape: int) -> int:
        """Adds a reshape."""
        new_shape = self.constant(np.array(shape, np.int32))
        return self.apply("RESHAPE", [x, new_shape], *shape, newShape=list(shape))

    def write(self, path: Path, output: int) -> None:
        """Writes the graph with the output `output`."""
        subgraph, model = schema.SubGraphT(), schema.ModelT()
        subgraph.tensors, subgraph.operators = self.tensors, self.operators
        subgraph.inputs, subgraph.outputs = self.inputs, [output]
        model.version, model.subgraphs, model.buffers = SCHEMA_VERSION, [subgraph], self.buffers
        model.operatorCodes = [self._code(code) for code in self.codes]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), IDENTIFIER)
        path.write_bytes(builder.Output())

    def _tensor(self, dtype: str, shape: tuple[int, ...], buffer: int = 0) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), TYPES[dtype], buffer
        tensor.name = f"tensor_{len(self.tensors)}"
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    @staticmethod
    def _code(code: int) -> schema.OperatorCodeT:
        operator_code = schema.OperatorCodeT()
        operator_code.builtinCode = code
        # Old readers read this field, in which larger numbers are written as 127.
        operator_code.deprecatedBuiltinCode = min(code, 127)
        return operator_code
