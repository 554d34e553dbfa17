"""CI files, ours and those in the documentation: valid by their schema, and their shell steps run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.registry import PACKAGE_DIR

ROOT = PACKAGE_DIR.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SECTION = re.compile(r"^## (?P<title>.+?)$(?P<body>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.MULTILINE)
DEADLINE_SECONDS = 120.0
