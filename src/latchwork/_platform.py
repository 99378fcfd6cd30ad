"""Says at once, in one sentence, where Latchwork can't work."""

import os
import sys

if not sys.platform.startswith("linux") or os.uname().machine not in {"x86_64", "aarch64"}:
    import platform  # takes long: only for who can't go on

    raise ImportError(
        "Latchwork needs Linux on x86-64 or arm64, and this is "
        f"{sys.platform} on {platform.machine().lower()}."
    )
