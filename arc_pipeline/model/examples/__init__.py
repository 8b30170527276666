"""Training examples by the million: drawn and measured as arrays, in parts, by several processes. Knows no model."""
