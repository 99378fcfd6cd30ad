"""Says at once, in one sentence, where Latchwork can't work."""

import os
import sys

_machine = os.uname().machine.lower()
if not sys.platform.startswith("linux") or _machine not in {"x86_64", "amd64", "aarch64", "arm64"}:
    raise ImportError(
        f"Latchwork needs Linux on x86-64 or arm64, and this is {sys.platform} on {_machine}."
    )
