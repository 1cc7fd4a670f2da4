"""What `celery -A worker` finds: the application, made from this process's environment."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

from celery.exceptions import SecurityWarning

from worker.app import create_app
from worker.contract.environment import SettingsError
from worker.settings import WorkerSettings

# Celery takes the working directory off the path again once it has found this module; a team's agents live there.
sys.path.insert(0, str(Path.cwd()))

# Celery warns of root because of pickle, which is never accepted here; in a container root is common.
warnings.filterwarnings("ignore", category=SecurityWarning)

try:
    app = create_app(WorkerSettings.from_env(os.environ))
except SettingsError as error:
    sys.exit(str(error))
