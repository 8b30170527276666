"""Activities on language models: tokenize, load, train, generate. Knows nothing of Dagster."""

import os

# read when torch is loaded: it makes threads that wait for each other sleep. By default they spin, which saves nothing
# where all cores are free; where another program wants one, a step took up to ten times as long
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
