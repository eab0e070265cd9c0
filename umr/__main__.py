"""`python -m umr`: hands over to umr.cli."""

import sys

from umr.cli import main

sys.exit(main())
