"""`python -m umr`: hands over to umr.cli."""

import sys

from umr.cli.commands import main

sys.exit(main())
