"""`python -m trawler_operator`: settings first, then logs, then the operator."""

from __future__ import annotations

import sys

from trawler_operator.config import InvalidSettingError, load_settings

EXIT_WRONG_SETTING = 2


def main() -> int:
    """Run; a wrong setting ends it at once with one line and exit code 2."""
    try:
        settings = load_settings()
    except InvalidSettingError as error:
        sys.stderr.write(f"trawler-operator: {error}\n")
        return EXIT_WRONG_SETTING
    # Later than the check of the settings: importing everything takes a second, a wrong setting should not.
    from trawler_operator.logs import configure_logs
    from trawler_operator.main import start

    configure_logs(settings.log_level, settings.log_format)
    return start(settings)


if __name__ == "__main__":
    sys.exit(main())
