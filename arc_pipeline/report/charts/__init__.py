"""Charts of numbers: curves of trainings and predictions. Knows no grid."""
