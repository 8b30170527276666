"""What is stale or missing, and why: the records against the experiments, the data and the code. Makes no artefact."""
