"""`zoo homework`: sheets for students, and the grading of a class."""
