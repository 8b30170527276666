"""Tasks and the datasets that they come from: documents, sources, derivations, the catalogue. Knows no prompt."""
