"""The training program and all that runs in it: examples, batches, loss, states. Knows no prediction."""
