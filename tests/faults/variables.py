"""Environment variables of the processes under test that the product knows nothing of."""

from __future__ import annotations

#: The file in which tools count their calls.
COUNTER = "FAULTS_COUNTER"
#: Which mutant a process is.
MUTANT = "FAULTS_MUTANT"
