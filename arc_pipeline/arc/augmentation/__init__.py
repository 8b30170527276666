"""Training examples: recipes drawn from augmented tasks, and what is checked of them. Knows no tokenizer."""
