#!/usr/bin/env python3
"""Benchmark PyTorch training steps on this machine: `python run_bench.py --help`."""

import sys

# Workers import this file again as their __main__, so nothing heavy may be imported up here.
from bench.cli import main

if __name__ == "__main__":
    sys.exit(main())
