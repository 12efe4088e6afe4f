"""Django's settings (webapp.settings.values). Whatever starts, starts with them: a wrong one ends it here with its sentence, not with a
traceback that hides it.
"""

from __future__ import annotations

import sys

from ingest.limit_settings import LimitSettingWrong
from ingest.page_images import PageImagesWrong
from webapp.settings.environment import SettingInvalid

try:
    from webapp.settings.values import *  # noqa: F403 -- Django reads them from here
except (SettingInvalid, LimitSettingWrong, PageImagesWrong) as error:
    sys.exit(f"{error} docs/settings.md lists the settings.")
