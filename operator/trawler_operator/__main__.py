"""`python -m trawler_operator`: the configuration first, then logs, then the operator."""

from __future__ import annotations

import os
import sys

from trawler_operator.config import InvalidConfigError, load_config

EXIT_WRONG_CONFIG = 2


def main() -> int:
    """Run; a wrong configuration ends it at once, with a line for everything that is wrong and exit code 2."""
    try:
        config, pod = load_config(os.environ)
    except InvalidConfigError as error:
        sys.stderr.writelines(f"trawler-operator: {problem}\n" for problem in error.problems)
        return EXIT_WRONG_CONFIG
    # Later than the check of the configuration: importing everything takes a second, a wrong setting should not.
    from trawler_operator.logs import configure_logs
    from trawler_operator.main import start

    configure_logs(config.operator.log_level.upper(), config.operator.log_format)
    return start(config, pod)


if __name__ == "__main__":
    sys.exit(main())
