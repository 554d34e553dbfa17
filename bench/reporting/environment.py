"""Where and how the run was made (environment.json)."""

import json
from pathlib import Path

from bench.record import to_plain
from bench.results.frame import Run


def write(run: Run, directory: Path) -> list[Path]:
    """Write environment.json."""
    plan, path = run.plan, directory / "environment.json"
    origin = {"label": plan.label, "command": plan.command, "commit": plan.commit, "started_at": plan.started_at}
    content = to_plain({**origin, **to_plain(plan.environment)})
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return [path]
