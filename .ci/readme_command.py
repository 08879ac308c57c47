"""Prints a command of README.md, so that CI runs what a reader copies.

python3 .ci/readme_command.py 1
"""

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
blocks = re.findall(r"^```bash\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
print(blocks[int(sys.argv[1]) - 1].strip())
